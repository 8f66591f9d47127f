// Carries messages to sellers' HTTP endpoints: each stream in sequence, one call of it at a time.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/postgres/session.hpp"
#include "common/routing/stream.hpp"
#include "workers/router/config.hpp"
#include "workers/router/routes.hpp"

namespace cartwright::router {

/// Never calls under a lock: it takes a lease on the stream's row (an epoch, an end by the database's clock),
/// which records the numbers that it is about to try, reads the messages from the database, calls, and
/// commits the progress under its epoch. Who was frozen and wakes up later repeats exactly, or commits
/// nothing. Nothing is lost when it dies: the messages are in the database, and the sweep rings for streams
/// whose lease is over.
///
/// A slow endpoint costs its own streams time and nobody else's: calls are bounded for each destination and
/// in all, destinations that fail have one call each and a share of all calls.
class Courier {
  public:
    Courier(std::unique_ptr<postgres::Session> session, routing::RulesSource rules,
            const EndpointConfig& config);
    ~Courier();
    Courier(const Courier&) = delete;
    Courier& operator=(const Courier&) = delete;

    /// Any thread: the stream may have something to deliver. Never blocks; remembers each stream once.
    void ring(const routing::StreamKey& stream);
    /// Any thread: streams that rang here and turned out to go to a queue; each is returned once.
    std::vector<routing::StreamKey> take_returned();
    /// Begins no more calls, waits for those under way, commits what they achieved. Again does nothing.
    void finish(std::chrono::steady_clock::time_point deadline);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::router
