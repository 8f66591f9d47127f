// Sellers' streams as an operator sees and mends them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/postgres/session.hpp"
#include "common/routing/route.hpp"
#include "common/routing/stream.hpp"

namespace cartwright::operating {

struct StreamState {
    routing::StreamKey stream;
    std::int64_t assigned = 0, delivered = 0;
    std::string destination, next_destination;
    std::int64_t next_from = 0;  ///< 0: no switch is pending
    std::string held_for, trouble, failing_since, next_attempt_at, oldest_waiting_since;
    std::int64_t attempts = 0;
    bool leased = false;
    bool for_good = false;      ///< held until it is resumed
    std::int64_t refused = 0;   ///< the number that its destination certainly did not take; 0: none
    std::int64_t doubtful = 0;  ///< an endpoint may have got numbers up to here
};

struct StreamMessage {
    std::int64_t number = 0;
    std::string order_id, type, body;
};

struct PastSwitch {
    std::int64_t from = 0;
    std::string previous, destination, decided_by, reason, decided_at;
};

struct PastVoid {
    std::int64_t number = 0;
    std::string type, reason, voided_by, voided_at;
};

/// What an operator says with a change; both are recorded.
struct Decision {
    std::string by, reason;
    bool may_double = false;  ///< takes it on himself that a destination may have taken the numbers before
};

/// Every change locks the stream's row, as routers do. Throws outcome::StartupError when something may not be
/// done, with what to do instead.
class Streams {
  public:
    explicit Streams(const std::string& postgres_url);

    /// Streams with something to deliver, or held; oldest waiting first.
    std::vector<StreamState> list(const std::string& seller, bool held_only, std::size_t limit);
    std::optional<StreamState> find(const routing::StreamKey& stream);
    std::optional<StreamMessage> message(const routing::StreamKey& stream, std::int64_t number);
    std::vector<PastSwitch> switches(const routing::StreamKey& stream);
    std::vector<PastVoid> voids(const routing::StreamKey& stream);

    /// The stream is tried again at once.
    void resume(const routing::StreamKey& stream);
    /// Replaces the message that the stream waits for.
    void replace(const routing::StreamKey& stream, std::int64_t number, const Decision& decision);
    /// Sends the stream elsewhere from the first untried number on, or from `from`, which is before it only
    /// with Decision::may_double. What was recorded.
    routing::Switch redirect(const routing::StreamKey& stream, const std::string& destination,
                             std::optional<std::int64_t> from, const Decision& decision);

  private:
    StreamState lock(postgres::Transaction& transaction, const routing::StreamKey& stream);

    postgres::Session session_;
};

}  // namespace cartwright::operating
