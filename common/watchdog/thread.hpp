// Threads beside the main one.
#pragma once

#include <functional>
#include <thread>

namespace cartwright::watchdog {

/// A named thread that takes no signals. `name` has at most 15 characters.
std::thread start_thread(const char* name, std::function<void()> run);

}  // namespace cartwright::watchdog
