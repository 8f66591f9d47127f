#include "common/watchdog/thread.hpp"

#include <csignal>
#include <utility>

#include <pthread.h>

namespace cartwright::watchdog {

std::thread start_thread(const char* name, std::function<void()> run) {
    // The new thread inherits the mask; signals are for the main thread's loop.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread(std::move(run));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

}  // namespace cartwright::watchdog
