// A lane: one thread that takes what is queued, has it handled as one batch, publishes, and acknowledges.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/amqp/message.hpp"
#include "common/amqp/publisher.hpp"
#include "common/codec/decode.hpp"
#include "common/worker/aftercare.hpp"
#include "common/worker/attempts.hpp"
#include "common/worker/handler.hpp"

namespace cartwright::worker {

enum class LaneKind {
    transform,  ///< commit, publish, acknowledge; two batches may be in flight
    delivery,   ///< the handler publishes inside its transaction; exactly one batch in flight
};

struct LaneSettings {
    std::string name;
    std::vector<std::string> queues;
    std::size_t prefetch = 32;      ///< messages of each queue that wait here or are in flight
    std::size_t members_max = 200;  ///< events in one transaction
    LaneKind kind = LaneKind::transform;
    std::chrono::milliseconds tick{10'000};  ///< how often Handler::tick is called
    /// How long a batch that would not be full waits for more, where more than one wait: what comes in a
    /// stream is done in batches, what comes alone at once.
    std::chrono::milliseconds gather{0};
    bool answers = false;     ///< whoever sent what is parked is told, where he asked for an answer
    bool ladder_ends = true;  ///< false: the last rung repeats for ever, nothing is parked for its attempts
};

/// What a lane needs of its surroundings.
struct LaneContext {
    std::string worker;
    amqp::Publisher& publisher;
    std::function<void(std::span<const amqp::AckToken>)> acknowledge;
    codec::Limits limits;
    LadderSettings ladder;
    std::int64_t deaths_max = 5;  ///< a message over which a process died so often is parked
    std::unique_ptr<Attempts> attempts;
};

class Lane {
  public:
    Lane(LaneSettings settings, LaneContext context, std::unique_ptr<Handler> handler);
    ~Lane();
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    const LaneSettings& settings() const;
    void start();
    /// Any thread: a delivery for this lane. Never blocks; what waits is bounded by the prefetch.
    void deliver(amqp::Delivery&& delivery);
    /// Any thread: deliveries of this subscription that are not begun are dropped, the broker gives them
    /// again.
    void forget(std::size_t subscription);
    /// Handles what is queued, waits for confirms, ends the thread; false when the deadline came first. The
    /// thread then ends as soon as the handler lets it: `ended` says whether it has.
    bool finish(std::chrono::steady_clock::time_point deadline);
    bool ended() const;
    /// How long the handler has been at one batch; zero when it is not at work or waits for a server that is
    /// away.
    std::chrono::milliseconds busy_for() const;
    /// Why the lane is paused; empty when it is not.
    std::string trouble() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::worker
