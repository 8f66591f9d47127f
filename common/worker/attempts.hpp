// Poison is found by counting deaths: an attempt is committed before a suspicious message is touched and
// deleted when the process lives to see the outcome, so that cut connections count nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/postgres/session.hpp"

namespace cartwright::worker {

/// One lane's thread. Throws as postgres::Session does.
class Attempts {
  public:
    Attempts(std::string worker, std::unique_ptr<postgres::Session> session);

    /// Commits that `key` is being handled now; returns how often a process died over it before.
    std::int64_t begin(const std::string& key);
    /// The process lived to see the outcome.
    void end(const std::string& key);

  private:
    std::string worker_;
    std::unique_ptr<postgres::Session> session_;
};

}  // namespace cartwright::worker
