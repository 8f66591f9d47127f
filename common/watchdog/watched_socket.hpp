// A socket of a client library that another thread may shut down.
#pragma once

#include <mutex>

namespace cartwright::watchdog {

/// Keeps a duplicate of the descriptor: the library may close its own, and the number may become another
/// file's. Any thread.
class WatchedSocket {
  public:
    WatchedSocket() = default;
    ~WatchedSocket() { forget(); }
    WatchedSocket(const WatchedSocket&) = delete;
    WatchedSocket& operator=(const WatchedSocket&) = delete;

    /// In place of the one before.
    void watch(int socket);
    void forget();
    /// A call on it comes back with an error. False when there is none.
    bool shut_down();

  private:
    std::mutex mutex_;
    int socket_ = -1;
};

}  // namespace cartwright::watchdog
