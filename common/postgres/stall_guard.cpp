#include "common/postgres/stall_guard.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <set>
#include <thread>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log/log.hpp"

namespace cartwright::postgres {

using std::chrono::milliseconds;

/// One thread that looks at every guard often enough for the shortest limit.
class Watchdog {
  public:
    static std::shared_ptr<Watchdog> shared() {
        static std::mutex mutex;
        static std::weak_ptr<Watchdog> current;
        const std::lock_guard lock(mutex);
        auto watchdog = current.lock();
        if (!watchdog) current = watchdog = std::make_shared<Watchdog>();
        return watchdog;
    }

    Watchdog() {
        // The new thread inherits the mask; signals are for the main thread's loop.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { run(); });
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    ~Watchdog() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

    void add(StallGuard& guard) {
        const std::lock_guard lock(mutex_);
        guards_.insert(&guard);
        changed_.notify_all();
    }

    void remove(StallGuard& guard) {
        const std::lock_guard lock(mutex_);
        guards_.erase(&guard);
    }

  private:
    void run() {
        std::unique_lock lock(mutex_);
        while (!ended_) {
            auto interval = milliseconds(1'000);
            const auto now = std::chrono::steady_clock::now();
            for (auto* guard : guards_) {
                guard->look(now);
                interval = std::clamp(guard->limit_ / 8, milliseconds(5), interval);
            }
            changed_.wait_for(lock, interval);
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<StallGuard*> guards_;
    bool ended_ = false;
    std::thread thread_;
};

StallGuard::StallGuard(milliseconds limit) : watchdog_(Watchdog::shared()), limit_(limit) {
    watchdog_->add(*this);
}

StallGuard::~StallGuard() {
    watchdog_->remove(*this);
    forget();
}

void StallGuard::watch(int socket) {
    forget();
    const std::lock_guard lock(mutex_);
    socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
}

void StallGuard::forget() {
    const std::lock_guard lock(mutex_);
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
}

void StallGuard::look(Time now) {
    const auto since = since_.load();
    if (since == outside || now - since < limit_) return;
    const std::lock_guard lock(mutex_);
    if (socket_ < 0) return;
    log::warn("postgres_is_silent", {{"limit_ms", static_cast<std::int64_t>(limit_.count())}});
    ::shutdown(socket_, SHUT_RDWR);
    since_ = outside;
}

}  // namespace cartwright::postgres
