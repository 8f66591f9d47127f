#include "common/watchdog/watchdog.hpp"

#include <algorithm>

#include "common/watchdog/thread.hpp"

namespace cartwright::watchdog {

using std::chrono::milliseconds;

std::shared_ptr<Watchdog> Watchdog::shared() {
    static std::mutex mutex;
    static std::weak_ptr<Watchdog> current;
    const std::lock_guard lock(mutex);
    auto watchdog = current.lock();
    if (!watchdog) current = watchdog = std::make_shared<Watchdog>();
    return watchdog;
}

Watchdog::Watchdog() : thread_(start_thread("watchdog", [this] { run(); })) {}

Watchdog::~Watchdog() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Watchdog::add(Watched& watched) {
    const std::lock_guard lock(mutex_);
    watched_.insert(&watched);
    changed_.notify_all();
}

void Watchdog::remove(Watched& watched) {
    const std::lock_guard lock(mutex_);
    watched_.erase(&watched);
}

void Watchdog::run() {
    std::unique_lock lock(mutex_);
    while (!ended_) {
        auto interval = milliseconds(1'000);
        const auto now = std::chrono::steady_clock::now();
        for (auto* watched : watched_) {
            watched->look(now);
            interval = std::clamp(watched->limit() / 8, milliseconds(5), interval);
        }
        changed_.wait_for(lock, interval);
    }
}

}  // namespace cartwright::watchdog
