// Frees a thread from a call on a socket that does not come back.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "common/watchdog/watchdog.hpp"
#include "common/watchdog/watched_socket.hpp"

namespace cartwright::amqp {

/// Belongs to one I/O thread. The client library's writes block without a limit when the broker takes no
/// bytes; the watchdog shuts the socket down when the I/O thread has been inside one call for longer than the
/// limit, and the call comes back with an error.
class StallGuard final : watchdog::Watched {
  public:
    explicit StallGuard(std::chrono::milliseconds limit);
    ~StallGuard() override;
    StallGuard(const StallGuard&) = delete;
    StallGuard& operator=(const StallGuard&) = delete;

    void watch(int socket) { socket_.watch(socket); }
    void forget() { socket_.forget(); }

    /// Any thread: shuts the socket down now, if there is one.
    void interrupt() { socket_.shut_down(); }
    /// Any thread: a shorter limit from now on.
    void hurry(std::chrono::milliseconds limit) { limit_ = limit; }
    /// The socket was shut down because of a call that did not come back.
    bool tripped() const { return tripped_; }
    void reset() { tripped_ = false; }

    /// Runs a call under the guard.
    template <class Call>
    auto operator()(Call&& call) {
        const Inside inside(*this);
        return call();
    }

  private:
    struct Inside {
        explicit Inside(StallGuard& guard) : calls(guard.calls_) { step(); }
        ~Inside() { step(); }
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;
        void step() { calls.store(calls.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
        std::atomic<std::uint64_t>& calls;
    };

    void look(std::chrono::steady_clock::time_point now) override;
    std::chrono::milliseconds limit() const override { return limit_; }

    std::shared_ptr<watchdog::Watchdog> watchdog_;
    watchdog::WatchedSocket socket_;
    std::atomic<std::chrono::milliseconds> limit_;
    std::atomic<std::uint64_t> calls_ = 0;  ///< odd while inside a call
    std::atomic<bool> tripped_ = false;
    // The watchdog's own notes: what it saw last, and since when.
    std::uint64_t seen_calls_ = 0;
    std::chrono::steady_clock::time_point seen_since_;
};

}  // namespace cartwright::amqp
