// Numbered messages in, delivered to sellers in sequence.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/metrics/metrics.hpp"
#include "common/postgres/session.hpp"
#include "common/routing/delivery.hpp"
#include "common/worker/handler.hpp"
#include "workers/router/config.hpp"
#include "workers/router/courier.hpp"
#include "workers/router/outlet.hpp"
#include "workers/router/queue_watch.hpp"
#include "workers/router/routes.hpp"

namespace cartwright::router {

/// Takes every message to sellers. A message is payload and doorbell at once: the stream's row
/// knows what was delivered; the next number is delivered from the message, a smaller one is a repeat, and
/// what a larger one leaves out is read from the database. Publishes inside its transaction, under the rows'
/// locks: claim, publish, confirm, commit. A run that is sent twice (its commit failed) is an exact repeat.
///
/// Streams of HTTP endpoints are the courier's: their messages are done with here once it knows of them.
///
/// When the broker itself is away, what was accepted is committed and outcome::Unavailable thrown.
class Handler : public worker::Handler {
  public:
    /// `courier_session` is the courier's own.
    Handler(std::unique_ptr<postgres::Session> session, std::unique_ptr<postgres::Session> courier_session,
            std::unique_ptr<Outlet> outlet, routing::RulesSource rules, std::size_t sellers_queues,
            const Config& config);
    worker::Result handle(std::span<const worker::Member> batch) override;
    /// The sweep: delivers streams that stay behind although nobody rings.
    void tick() override;
    void finish(std::chrono::steady_clock::time_point deadline) override;

  private:
    /// What came of a stream in one turn.
    struct Reached {
        routing::Claim claim;
        routing::Progress progress;
        std::int64_t wanted = 0;  ///< numbers up to here are known to be assigned
    };
    using Turn = routing::ByStream<Reached>;

    Turn deliver(routing::Doorbells& doorbells);
    void ring_returned(routing::Doorbells& doorbells);
    void hand_over(routing::Doorbells& doorbells, Turn& turn);
    routing::Doorbells deliver_to_queues(routing::Doorbells doorbells, Turn& turn);
    std::string queue_trouble(const std::string& queue);
    void transact(postgres::Transaction& transaction, routing::Doorbells& doorbells, Turn& turn);
    std::vector<routing::Claim> claim(postgres::Transaction& transaction,
                                      const routing::Doorbells& doorbells);
    std::vector<routing::Outcome> send(std::vector<routing::Sending>& run);
    void remember(const Turn& turn);
    routing::Doorbells look_for_stalled();
    void count_waiting();

    std::string queue_of(const routing::StreamKey& stream) const;
    /// Takes the content out of it.
    amqp::Outgoing outgoing(routing::Sending& sending) const;

    std::unique_ptr<postgres::Session> session_;
    std::unique_ptr<Outlet> outlet_;
    Routes routes_;
    Courier courier_;
    std::size_t sellers_queues_;
    Config config_;
    QueueWatch queues_;
    std::set<routing::StreamKey> returned_;  ///< streams that were the courier's and go to a queue now
    std::set<std::string> declared_;         ///< sellers' own queues that are known to be there
    /// Streams that a turn left with more to deliver, and how far they reach at least. Their doorbells may be
    /// older than that: whoever rang while a stream was held is gone.
    routing::ByStream<std::int64_t> unfinished_;

    /// The sweep's place: it looks at a page twice before it goes on to the next.
    struct Sweep {
        routing::StreamKey after;
        bool seen_once = false;
        std::map<routing::StreamKey, std::int64_t> behind;  ///< who was behind at the last look, and where
    };
    Sweep sweep_;

    struct Counters {
        metrics::Counter delivered, read_back, swept;
        metrics::Gauge oldest_seconds;
        std::map<std::string, metrics::Gauge> behind;  ///< by what holds streams
    };
    Counters counters_;
};

}  // namespace cartwright::router
