// One message on its way to the broker, and what it belongs to.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/amqp/message.hpp"
#include "common/amqp/publisher.hpp"

namespace cartwright::amqp {

using Clock = std::chrono::steady_clock;

/// The messages of one call of Publisher::publish.
struct Group {
    std::size_t open = 0;  ///< messages with Effort::confirmed that are not confirmed yet
    std::function<void()> on_confirmed;
};

/// The answers of one call of Publisher::publish_in_order, written by the I/O thread until the caller leaves.
class OrderedRun {
  public:
    explicit OrderedRun(std::size_t messages) : answers_(messages, Confirm::unsent), open_(messages) {}

    /// The message is about to be sent, from now on it may be there. False when the caller has left: it was
    /// told `unsent`, and so it must remain.
    bool begin(std::size_t position) {
        const std::lock_guard lock(mutex_);
        if (left_) return false;
        answers_[position] = Confirm::unknown;
        return true;
    }

    void answer(std::size_t position, Confirm confirm) {
        const std::lock_guard lock(mutex_);
        if (left_) return;
        answers_[position] = confirm;
        if (--open_ == 0) all_answered_.notify_all();
    }

    std::vector<Confirm> wait(Clock::time_point deadline) {
        std::unique_lock lock(mutex_);
        all_answered_.wait_until(lock, deadline, [this] { return open_ == 0; });
        left_ = true;
        return answers_;
    }

    bool left() const {
        const std::lock_guard lock(mutex_);
        return left_;
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable all_answered_;
    std::vector<Confirm> answers_;
    std::size_t open_;
    bool left_ = false;
};

struct Letter {
    Outgoing message;
    std::shared_ptr<Group> group;     ///< either this
    std::shared_ptr<OrderedRun> run;  ///< or this
    std::size_t position = 0;         ///< in its run
    std::uint64_t ordinal = 0;        ///< rises from letter to letter as they were accepted
    unsigned attempts = 0;            ///< answers that were a refusal
    bool alone = false;  ///< sent with nothing else in flight: it may be what the broker closes channels for
    Clock::time_point accepted_at, sent_at;

    bool best_effort() const { return !run && message.effort == Effort::best_effort; }
    static constexpr std::size_t overhead = 128;  ///< bytes, beside body and address
    /// About what it takes up, here and on the wire.
    std::size_t bytes() const {
        return overhead + message.body.size() + message.exchange.size() + message.routing_key.size();
    }
};

using LetterPointer = std::unique_ptr<Letter>;

}  // namespace cartwright::amqp
