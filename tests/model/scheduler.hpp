// Who runs next: processes of the fleet, each with a few actors, and one model clock for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "tests/model/fiber.hpp"
#include "tests/model/random.hpp"

namespace cartwright::model {

/// Thrown out of whatever an actor waits for when its process dies.
struct Killed {};
/// Instead of ending the program, a failed assertion of the product's is this.
struct Bug {
    std::string what;
};

inline constexpr std::int64_t never_us = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t ms = 1'000;

/// A program of the fleet. It dies as a whole, and its broker connection is cut as a whole.
struct Process {
    std::string name;
    bool alive = false;
    std::int64_t frozen_until_us = 0;
    std::uint64_t connection = 0;  ///< rises when it is cut
};

class Scheduler {
  public:
    explicit Scheduler(Random& random) : random_(random) {}

    /// Starts an actor of a process. Its body ends with Killed when the process dies; anything else that it
    /// throws is told to `on_trouble`.
    void spawn(Process& process, std::string name, std::function<void()> body);
    std::function<void(const std::string& actor, const std::string& trouble)> on_trouble;

    /// From within an actor: others may run here.
    void step();
    /// From within an actor: others run until `ready`, or until the clock reaches `wake_at_us`.
    void wait(const std::function<bool()>& ready, std::int64_t wake_at_us = never_us);
    /// From within an actor; outside of any the name is empty.
    const std::string& actor() const;
    Process* process() const { return current_ == nullptr ? nullptr : current_->process; }
    /// The process is dying: nothing waits any more.
    bool dying() const { return current_ != nullptr && current_->killed; }

    /// Lets one ready actor run to its next step; false when none is ready.
    bool turn();
    /// When the first waiting actor wakes up by itself.
    std::int64_t next_wake_us() const;
    /// Ends all actors of a process where they stand.
    void kill(Process& process);
    bool has_ended(const std::string& actor) const;

    std::int64_t time_us = 0;

  private:
    struct Actor {
        std::string name;
        Process* process = nullptr;
        std::unique_ptr<Fiber> fiber;
        const std::function<bool()>* ready = nullptr;
        std::int64_t wake_at_us = never_us;
        bool waiting = false;
        bool begun = false;
        bool killed = false;
    };
    bool is_ready(const Actor& actor) const;
    void run(Actor& actor);
    void give_way();

    Random& random_;
    std::vector<std::unique_ptr<Actor>> actors_;
    std::vector<Actor*> ready_;
    Actor* current_ = nullptr;
};

}  // namespace cartwright::model
