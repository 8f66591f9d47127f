// Poison is found by counting deaths: an attempt is committed before a suspicious message is touched and
// deleted when the process lives to see the outcome, so that cut connections count nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "common/postgres/session.hpp"

namespace cartwright::worker {

/// One lane's thread. Throws as postgres::Session does.
class Attempts {
  public:
    Attempts(std::string worker, std::unique_ptr<postgres::Session> session);

    using Keys = std::set<std::string>;

    /// Commits that these are being handled now; returns those over which a process died before.
    Keys begin(const Keys& keys);
    /// The process lived to see the outcome.
    void end(const Keys& keys);
    /// As above, of one; returns how often a process died over it before.
    std::int64_t begin(const std::string& key);
    void end(const std::string& key) { end(Keys{key}); }

  private:
    std::string worker_;
    std::unique_ptr<postgres::Session> session_;
};

}  // namespace cartwright::worker
