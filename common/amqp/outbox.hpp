// Everything a Publisher decides: what is sent next, what an answer means, what is repeated and when.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "common/amqp/confirm_window.hpp"
#include "common/amqp/letter.hpp"
#include "common/amqp/publisher.hpp"
#include "common/amqp/statistics.hpp"

namespace cartwright::amqp {

/// One thread at a time; knows nothing of sockets and takes the time as an argument. Callbacks are not called
/// but handed out by `take_callbacks`.
class Outbox {
  public:
    using TimePoint = Clock::time_point;

    Outbox(PublisherLimits limits, Statistics& statistics);

    void add(std::vector<Outgoing> messages, std::function<void()> on_confirmed, TimePoint now);
    /// Answers all with `unsent` when no channel is open.
    void add(const std::shared_ptr<OrderedRun>& run, std::vector<Outgoing> messages, TimePoint now);

    /// A channel in confirm mode is there. Until its first answer, or for a moment, only one message is in
    /// flight: a broker under an alarm blocks at the first, and would else get them all again after each
    /// reconnect.
    void channel_opened(TimePoint now);
    /// What is in flight with Effort::confirmed is sent again first, in the order in which it was accepted.
    void connection_lost();
    /// The broker closed the channel over something that was in flight. What was in flight is sent again one
    /// message at a time, so that the one to blame is found; that one backs off and is always sent alone.
    void channel_lost(TimePoint now, const std::string& why);

    /// The next message to be sent, already counted as in flight; null when there is none, or no room, or no
    /// channel.
    const Outgoing* start_next(TimePoint now);
    void answered(std::uint64_t number, bool multiple, Confirm confirm, TimePoint now);
    /// `why` is the broker's text.
    void returned(const Outgoing& message, const std::string& why);

    /// Gives up best-effort messages that are too old, and what is left of runs whose caller has gone.
    void expire(TimePoint now);
    /// When there may be something to send although nothing was added or answered.
    std::optional<TimePoint> next_due(TimePoint now) const;
    std::vector<std::function<void()>> take_callbacks();

    /// Messages that are neither settled nor given up.
    std::size_t outstanding() const { return ready_.size() + backing_off_.size() + window_.size(); }
    /// Why messages back off; empty when none does.
    const std::string& trouble() const { return trouble_; }
    void update_gauges(TimePoint now);

  private:
    bool may_go(const Letter& letter, TimePoint now) const;
    bool is_void(Letter& letter, TimePoint now);
    void take_due(TimePoint now);
    void settle(Answered answered, TimePoint now);
    void count_confirm(const Letter& letter, TimePoint now);
    void back_off(LetterPointer letter, TimePoint now);
    void confirmed(Letter& letter);
    void lose() { ++statistics_.best_effort_lost; }
    std::vector<LetterPointer> take_unanswered();
    void drop_queued_runs();
    void put_in_front(std::vector<LetterPointer> letters);

    PublisherLimits limits_;
    Statistics& statistics_;
    ConfirmWindow window_;
    std::deque<LetterPointer> ready_;
    std::multimap<TimePoint, LetterPointer> backing_off_;
    std::size_t refused_ = 0;  ///< letters not settled that were refused at least once
    std::string trouble_;
    std::vector<std::function<void()>> callbacks_;
    std::uint64_t ordinal_ = 0;
    bool open_ = false;
    TimePoint exclusive_until_;  ///< until then, or the next answer, what is in flight stays alone
    std::minstd_rand random_;
    double jitter_ = 1.0;
};

}  // namespace cartwright::amqp
