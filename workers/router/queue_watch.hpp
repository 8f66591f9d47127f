// Which sellers' queues can take messages now: a queue that is too deep, or that does not confirm, makes its
// own streams wait and nobody else's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace cartwright::router {

class QueueWatch {
  public:
    using Clock = std::chrono::steady_clock;
    /// Messages that stand in a queue; nothing when there is no such queue. May throw outcome::Unavailable.
    using Depth = std::function<std::optional<std::uint64_t>(const std::string& queue)>;

    /// A queue's depth is asked for at most this often.
    static constexpr std::chrono::milliseconds depth_age_max{1'000};
    /// The bound is a soft one: when depths can't be read, there is none for so long.
    static constexpr std::chrono::milliseconds unreadable_for{10'000};
    /// A queue that left messages unconfirmed rests, for longer every time.
    static constexpr std::chrono::milliseconds rest_min{5'000};
    static constexpr std::chrono::milliseconds rest_max{60'000};

    QueueWatch(Depth depth, std::uint64_t depth_max, std::function<Clock::time_point()> clock = Clock::now);

    /// Why nothing may be sent to this queue now; empty when it may.
    std::string trouble(const std::string& queue);
    /// What came of messages sent to it: all answered in time, or some not.
    void answered(const std::string& queue, bool in_time);

  private:
    struct Queue {
        std::optional<Clock::time_point> asked_at;
        std::uint64_t depth = 0;
        bool too_deep = false;
        std::optional<Clock::time_point> rests_until;
        std::chrono::milliseconds next_rest = rest_min;
    };
    void ask(const std::string& name, Queue& queue, Clock::time_point time);

    Depth depth_;
    std::uint64_t depth_max_;
    std::function<Clock::time_point()> clock_;
    std::map<std::string, Queue> queues_;
    std::optional<Clock::time_point> unreadable_until_;
};

}  // namespace cartwright::router
