// What the I/O threads share: being woken by other threads, waiting for their socket as well.
#pragma once

#include <atomic>
#include <chrono>

namespace cartwright::amqp {

/// Wakes one thread out of its poll.
class Waker {
  public:
    Waker();
    ~Waker();
    Waker(const Waker&) = delete;
    Waker& operator=(const Waker&) = delete;

    /// Any thread, after it has left something to be seen.
    void wake();

    struct Woken {
        bool readable = false, writable = false;
    };
    /// The woken thread: waits for the socket (-1: none), a `wake` or the timeout, whichever is first.
    Woken wait(int socket, bool want_writable, std::chrono::steady_clock::duration timeout);

  private:
    int descriptor_;
    std::atomic<bool> awake_ = false;
};

}  // namespace cartwright::amqp
