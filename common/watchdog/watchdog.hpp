// One thread that looks whether others are stuck.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace cartwright::watchdog {

/// What is looked at.
class Watched {
  public:
    virtual ~Watched() = default;
    /// On the watchdog's thread, several times within `limit`.
    virtual void look(std::chrono::steady_clock::time_point now) = 0;
    virtual std::chrono::milliseconds limit() const = 0;
};

class Watchdog {
  public:
    /// The one of the process, for as long as somebody holds it.
    static std::shared_ptr<Watchdog> shared();

    Watchdog();
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    void add(Watched& watched);
    /// It is not looked at any more when this returns.
    void remove(Watched& watched);

  private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<Watched*> watched_;
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace cartwright::watchdog
