// The contract between a lane and a worker's own code: a batch in, verdicts and messages out.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/amqp/message.hpp"
#include "common/message/event.hpp"
#include "common/outcome/verdict.hpp"

namespace cartwright::worker {

/// One event of one delivery.
struct Member {
    message::Event event;
    std::string_view raw;  ///< its JSON, byte for byte
    std::string reply_to, correlation_id;
    std::int64_t attempts = 0;  ///< how often it has been on the retry ladder
    bool redelivered = false;   ///< it may have been handled before
};

struct Result {
    std::vector<outcome::Verdict> verdicts;  ///< one a member, same order
    std::vector<amqp::Outgoing> outgoing;    ///< published and confirmed before any member is acknowledged
};

/// A handler never acknowledges, sleeps or (but for the router) publishes. It belongs to one lane and its
/// thread, and owns its database sessions. It throws outcome::Retry, Unavailable or Refused; everything it
/// did is then undone and it is called again with the same members, or with each alone.
class Handler {
  public:
    virtual ~Handler() = default;
    virtual Result handle(std::span<const Member> batch) = 0;
    /// Called between batches, about once in `LaneSettings::tick`; for slow sweeps.
    virtual void tick() {}
    /// The last call: what the handler does in the background ends, at the latest when `deadline` comes.
    virtual void finish(std::chrono::steady_clock::time_point deadline) { static_cast<void>(deadline); }
};

}  // namespace cartwright::worker
