// The router's statements as functions. Streams are sorted wherever rows are locked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/postgres/session.hpp"
#include "common/routing/delivery.hpp"
#include "common/routing/route.hpp"
#include "workers/router/routes.hpp"

namespace cartwright::router {

/// Rows that are missing are made; they are never deleted.
void insert_streams(postgres::Transaction& transaction,
                    const std::map<routing::StreamKey, std::string>& destinations);

/// What is asked for of a stream that goes to a queue.
struct Wanted {
    Believed believed;
    std::int64_t allowance = 0;
};

/// One claim a stream; fewer when a stream has no row yet.
std::vector<routing::Claim> claim_streams(postgres::Transaction& transaction,
                                          const routing::Doorbells& doorbells,
                                          const routing::ByStream<Wanted>& wanted);

/// Reads what is to be delivered and not at hand into the doorbells; how many messages that were.
std::size_t read_missing(postgres::Transaction& transaction, std::span<const routing::Claim> claims,
                         routing::Doorbells& doorbells);

void write_marks(postgres::Transaction& transaction, std::span<const routing::Mark> marks);

/// The last number given of each stream.
std::map<routing::StreamKey, std::int64_t> read_assigned(postgres::Transaction& transaction,
                                                         std::span<const routing::StreamKey> streams);

std::map<routing::StreamKey, routing::Route> lock_routes(postgres::Transaction& transaction,
                                                         std::span<const routing::StreamKey> streams);
void write_routes(postgres::Transaction& transaction,
                  const std::map<routing::StreamKey, routing::Route>& routes);

struct RecordedSwitch {
    routing::StreamKey stream;
    routing::Switch recorded;
    std::string decided_by, reason;
};
void record_switches(postgres::Transaction& transaction, std::span<const RecordedSwitch> switches);

/// `changed`: to while running; it is the newest then, whatever the database knew of it.
void register_rules(postgres::Transaction& transaction, const std::string& version, bool changed);
std::string newest_rules(postgres::Transaction& transaction);

/// A stream that only this process calls its endpoint for, until the lease is over.
struct Lease {
    routing::StreamKey stream;
    std::int64_t epoch = 0;
    std::int64_t delivered = 0;
    std::int64_t to = 0;        ///< numbers up to here are recorded as tried
    std::int64_t doubtful = 0;  ///< numbers up to here may have arrived before
    std::int64_t attempts = 0;
    std::chrono::milliseconds failing_for{-1};  ///< -1: it is not
    std::vector<routing::Content> contents;     ///< of the numbers after `delivered` up to `to`
};
/// Leases what is free, due and on its believed route, with its messages.
std::vector<Lease> lease_streams(postgres::Transaction& transaction,
                                 const std::map<routing::StreamKey, Believed>& streams,
                                 std::int64_t messages_max, std::chrono::milliseconds time);

/// What ends a lease.
struct Release {
    routing::StreamKey stream;
    std::int64_t epoch = 0;
    std::int64_t delivered = 0;
    std::int64_t doubtful = 0;
    std::int64_t attempts = 0;
    std::string trouble;   ///< empty: none
    std::string held_for;  ///< likewise
    std::optional<std::int64_t> refused;
    std::optional<std::chrono::milliseconds> pause;
    bool for_good = false;  ///< held until a person resumes it
};
/// Streams whose lease was still this process's own.
std::vector<routing::StreamKey> release_streams(postgres::Transaction& transaction,
                                                std::span<const Release> releases);

/// What a stream's row says to whoever could not lease it.
struct Row {
    Believed recorded;
    std::int64_t delivered = 0;
};
/// On the route that is believed, and not behind a switch whose number is reached.
bool is_as_believed(const Row& row, const Believed& believed);
std::map<routing::StreamKey, Row> read_rows(postgres::Transaction& transaction,
                                            std::span<const routing::StreamKey> streams);

/// Holds a stream that still goes to `destination`.
void hold_stream(postgres::Transaction& transaction, const routing::StreamKey& stream,
                 const std::string& destination, const std::string& held_for, const std::string& trouble,
                 std::chrono::milliseconds pause);

struct Behind {
    routing::StreamKey stream;
    std::int64_t assigned = 0;
    std::int64_t delivered = 0;
};

/// Streams that have messages to deliver and are neither held nor leased: up to `page_max` of them behind
/// `after`, in order.
std::vector<Behind> streams_behind(postgres::Transaction& transaction, const routing::StreamKey& after,
                                   std::size_t page_max);

/// Streams with messages to deliver by what holds them (empty: nothing does).
struct Waiting {
    std::string held_for;
    std::int64_t streams = 0;
    std::chrono::milliseconds oldest{0};  ///< age of the oldest message that waits
};
std::vector<Waiting> streams_waiting(postgres::Transaction& transaction);

}  // namespace cartwright::router
