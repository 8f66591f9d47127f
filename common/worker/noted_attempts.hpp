// The attempts that a lane has noted and not ended, so that it can take them back.
#pragma once

#include <cstdint>
#include <string>

#include "common/amqp/message.hpp"
#include "common/worker/attempts.hpp"
#include "common/worker/pausing.hpp"

namespace cartwright::worker {

/// What a delivery is known by from process to process: its id where that is plain text, which it need not
/// be.
std::string key_of(const amqp::Delivery& delivery);

/// One lane's thread. Waits for the database, as `until_available` does.
class NotedAttempts {
  public:
    /// Both outlive this.
    NotedAttempts(Attempts& attempts, const Pausing::Hooks& hooks) : attempts_(attempts), hooks_(hooks) {}

    /// Those over which a process died before.
    Attempts::Keys begin(const Attempts::Keys& keys);
    /// How often a process died over it before.
    std::int64_t begin(const std::string& key);
    void end(const Attempts::Keys& keys);
    /// Ends all of them, if the database is there. Who waits for a server does not die of what it has in
    /// hand, whatever ends it then.
    void take_back();

  private:
    Attempts& attempts_;
    const Pausing::Hooks& hooks_;
    Attempts::Keys noted_;
};

}  // namespace cartwright::worker
