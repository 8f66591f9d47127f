// Frees a thread from waiting for a server that has fallen silent.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "common/watchdog/watchdog.hpp"
#include "common/watchdog/watched_socket.hpp"

namespace cartwright::postgres {

/// Belongs to one session. The client library waits for an answer without a limit, and keepalives only notice
/// a peer that is gone; the watchdog shuts the socket down when nothing has happened in a transaction for
/// longer than the limit.
class StallGuard final : watchdog::Watched {
  public:
    explicit StallGuard(std::chrono::milliseconds limit);
    ~StallGuard() override;
    StallGuard(const StallGuard&) = delete;
    StallGuard& operator=(const StallGuard&) = delete;

    void watch(int socket) { socket_.watch(socket); }
    void forget() { socket_.forget(); }

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
    using Time = std::chrono::steady_clock::time_point;
    static constexpr Time outside = Time::max();

    void look(Time now) override;
    std::chrono::milliseconds limit() const override { return limit_; }

    std::shared_ptr<watchdog::Watchdog> watchdog_;
    watchdog::WatchedSocket socket_;
    const std::chrono::milliseconds limit_;
    std::atomic<Time> since_ = outside;
};

}  // namespace cartwright::postgres
