// Numbered messages in, delivered to sellers in sequence.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/amqp/publisher.hpp"
#include "common/postgres/session.hpp"
#include "common/routing/delivery.hpp"
#include "common/worker/handler.hpp"
#include "workers/router/config.hpp"

namespace cartwright::router {

/// Messages that stand in a queue; nothing when there is no such queue.
using QueueDepth = std::function<std::optional<std::uint64_t>(const std::string& queue)>;

/// Takes seller.order and seller.cancellation. A message is payload and doorbell at once: the stream's row knows what was
/// delivered; the next number is delivered from the message, a smaller one is a repeat, and what a larger one leaves out is
/// read from the database. Publishes inside its transaction, under the rows' locks: claim, publish, confirm, commit.
class Handler : public worker::Handler {
  public:
    Handler(std::unique_ptr<postgres::Session> session, amqp::Publisher& publisher, QueueDepth depth,
            std::size_t sellers_queues, const Config& config);
    worker::Result handle(std::span<const worker::Member> batch) override;
    /// The sweep: delivers streams that stay behind without a doorbell.
    void tick() override;

  private:
    using Doorbells = std::map<routing::StreamKey, routing::Doorbell>;
    /// What is known of a stream after a turn.
    struct Reached {
        std::int64_t delivered = 0;
        bool held = false;
        bool failed = false;
        std::string trouble;
    };
    using Turn = std::map<routing::StreamKey, Reached>;

    Turn deliver(Doorbells& doorbells);
    std::vector<routing::Claim> claim(postgres::Transaction& transaction, const Doorbells& doorbells);
    void read_missing(postgres::Transaction& transaction, const std::vector<routing::Claim>& claims, Doorbells& doorbells);
    std::vector<std::string> publish(const std::vector<routing::Sending>& run);
    bool too_deep(const std::string& queue);
    void mark(postgres::Transaction& transaction, const std::vector<routing::Claim>& claims,
              const std::map<routing::StreamKey, routing::Progress>& progress);

    std::unique_ptr<postgres::Session> session_;
    amqp::Publisher& publisher_;
    QueueDepth depth_;
    std::size_t sellers_queues_;
    Config config_;
    struct Probe {
        std::chrono::steady_clock::time_point asked_at;
        bool too_deep = false;
    };
    std::map<std::string, Probe> probes_;
    std::map<routing::StreamKey, std::int64_t> behind_;  ///< streams that the last sweep saw behind, and where they were
};

}  // namespace cartwright::router
