// Routing rules of a directory, read again whenever they change.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/routing/rules_source.hpp"
#include "common/runtime/loop.hpp"

namespace cartwright::worker {

struct Place;

/// Made on the loop's thread (or before it runs), destroyed when it runs no more; `current` is for any
/// thread. Watches the directory and every symbolic link on the way to it and to its files (a mounted
/// ConfigMap swaps one), with what they lead to, and listens to SIGHUP. New rules are taken as a whole; those
/// that are wrong are refused, logged and counted, and the old ones stay.
class RulesWatch {
  public:
    /// Throws outcome::StartupError with everything that is wrong with the rules.
    RulesWatch(runtime::Loop& loop, std::string directory);
    ~RulesWatch();
    RulesWatch(const RulesWatch&) = delete;
    RulesWatch& operator=(const RulesWatch&) = delete;

    /// Any thread.
    std::shared_ptr<const routing::Rules> current() const;

  private:
    void watch();
    void watch_at(const std::set<Place>& places);
    void reload();
    void reload_soon();

    runtime::Loop& loop_;
    std::string directory_;
    mutable std::mutex mutex_;
    std::shared_ptr<const routing::Rules> rules_;
    std::vector<runtime::DirectoryWatch> watches_;
    std::string blind_;  ///< a folder that can't be watched
    runtime::Timer soon_;
    std::chrono::steady_clock::time_point settled_by_;
};

}  // namespace cartwright::worker
