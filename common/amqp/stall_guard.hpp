// Frees a thread from a call on a socket that does not come back.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

namespace cartwright::amqp {

class Watchdog;

/// Belongs to one I/O thread. The client library's writes block without a limit when the broker takes no
/// bytes; the watchdog (one thread for all guards of the process) shuts the socket down when the I/O thread
/// has been inside one call for longer than the limit, and the call comes back with an error.
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

    /// Any thread: shuts the socket down now, if there is one.
    void interrupt();
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
    friend class Watchdog;

    struct Inside {
        explicit Inside(StallGuard& guard) : calls(guard.calls_) { step(); }
        ~Inside() { step(); }
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;
        void step() { calls.store(calls.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
        std::atomic<std::uint64_t>& calls;
    };

    void look(std::chrono::steady_clock::time_point now);

    std::shared_ptr<Watchdog> watchdog_;
    std::atomic<std::chrono::milliseconds> limit_;
    std::atomic<std::uint64_t> calls_ = 0;  ///< odd while inside a call
    std::atomic<bool> tripped_ = false;
    std::mutex mutex_;  ///< of the descriptor
    int socket_ = -1;
    // The watchdog's own notes: what it saw last, and since when.
    std::uint64_t seen_calls_ = 0;
    std::chrono::steady_clock::time_point seen_since_;
};

}  // namespace cartwright::amqp
