// Routing rules of a directory, read again whenever they change.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/routing/rules_source.hpp"
#include "common/runtime/loop.hpp"

namespace cartwright::worker {

/// Made, used and destroyed on the loop's thread (or before it runs), but for `current`. Watches the
/// directory itself and its own name (a mounted ConfigMap swaps a symlink), and listens to SIGHUP. New rules
/// are taken as a whole; those that are wrong are refused, logged and counted, and the old ones stay.
class RulesWatch {
  public:
    /// Throws outcome::StartupError with everything that is wrong with the rules.
    RulesWatch(runtime::Loop& loop, std::string directory);
    RulesWatch(const RulesWatch&) = delete;
    RulesWatch& operator=(const RulesWatch&) = delete;

    /// Any thread.
    std::shared_ptr<const routing::Rules> current() const;

  private:
    void watch();
    void reload();
    void reload_soon();

    runtime::Loop& loop_;
    std::string directory_;
    mutable std::mutex mutex_;
    std::shared_ptr<const routing::Rules> rules_;
    std::vector<runtime::DirectoryWatch> watches_;
    runtime::Timer soon_;
};

}  // namespace cartwright::worker
