// Frees a thread from waiting for a server that has fallen silent.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

namespace cartwright::postgres {

class Watchdog;

/// Belongs to one session. The client library waits for an answer without a limit, and keepalives only notice
/// a peer that is gone; the watchdog (one thread for all guards of the process) shuts the socket down when
/// nothing has happened in a transaction for longer than the limit.
class StallGuard {
  public:
    explicit StallGuard(std::chrono::milliseconds limit);
    ~StallGuard();
    StallGuard(const StallGuard&) = delete;
    StallGuard& operator=(const StallGuard&) = delete;

    /// Keeps a duplicate of the descriptor: the library may close its own, and the number may become another
    /// file's.
    void watch(int socket);
    void forget();

    /// A transaction, from its first to its last word.
    class Inside {
      public:
        explicit Inside(StallGuard& guard) : guard_(guard) { guard_.step(); }
        ~Inside() { guard_.since_ = outside; }
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;

      private:
        StallGuard& guard_;
    };

    /// Something has happened: the time begins anew.
    void step() { since_ = std::chrono::steady_clock::now(); }

  private:
    friend class Watchdog;
    using Time = std::chrono::steady_clock::time_point;
    static constexpr Time outside = Time::max();

    void look(Time now);

    std::shared_ptr<Watchdog> watchdog_;
    const std::chrono::milliseconds limit_;
    std::atomic<Time> since_ = outside;
    std::mutex mutex_;  ///< of the descriptor
    int socket_ = -1;
};

}  // namespace cartwright::postgres
