#include "workers/router/statements.hpp"

#include <algorithm>
#include <string>

#include "common/outcome/trouble.hpp"
#include "workers/router/queries.hpp"

namespace cartwright::router {
namespace {

using postgres::Array;
using postgres::Rows;
using postgres::Transaction;
using routing::Claim;
using routing::Doorbells;
using routing::Route;
using routing::StreamKey;

struct Keys {
    Array sellers, streams;
    void add(const StreamKey& stream) {
        sellers.add(stream.seller_id.str());
        streams.add(stream.stream.str());
    }
};

void add(Array& array, const std::optional<std::int64_t>& number) {
    number ? array.add(*number) : array.add_null();
}

/// Empty is null.
void add_text(Array& array, const std::string& text) {
    text.empty() ? array.add_null() : array.add(text);
}

Keys keys_of(std::span<const StreamKey> streams) {
    Keys keys;
    for (const auto& stream : streams) keys.add(stream);
    return keys;
}

std::optional<std::int64_t> optional_integer(const Rows& rows, std::size_t row, int column) {
    if (rows.is_null(row, column)) return std::nullopt;
    return rows.integer(row, column);
}

StreamKey stream_at(const Rows& rows, std::size_t row) {
    return {SellerId(std::string(rows.text(row, 0))), StreamName(std::string(rows.text(row, 1)))};
}

}  // namespace

void insert_streams(Transaction& transaction, const std::map<StreamKey, std::string>& destinations) {
    Keys keys;
    Array wished;
    for (const auto& [stream, destination] : destinations) {
        keys.add(stream);
        wished.add(destination);
    }
    transaction.run(query::insert_streams, {keys.sellers.str(), keys.streams.str(), wished.str()});
}

std::vector<Claim> claim_streams(Transaction& transaction, const Doorbells& doorbells,
                                 const routing::ByStream<Wanted>& wanted) {
    Keys keys;
    Array targets, most, destinations, wished, next;
    for (const auto& [stream, doorbell] : doorbells) {
        const auto& [believed, allowance] = wanted.at(stream);
        keys.add(stream);
        const auto target =
            believed.next_from ? std::min(doorbell.target, *believed.next_from - 1) : doorbell.target;
        targets.add(doorbell.blocked.empty() ? target : 0);
        most.add(allowance);
        destinations.add(believed.destination);
        wished.add(believed.wished);
        add(next, believed.next_from);
    }
    const auto rows =
        transaction.run(query::claim_streams, {keys.sellers.str(), keys.streams.str(), targets.str(),
                                               most.str(), destinations.str(), wished.str(), next.str()});
    std::vector<Claim> claims;
    claims.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Claim claim;
        claim.stream = stream_at(rows, i);
        claim.from = rows.integer(i, 2);
        claim.to = rows.integer(i, 3);
        claim.held = rows.boolean(i, 4);
        claim.held_before = rows.boolean(i, 5);
        claim.attempts = rows.integer(i, 6);
        claim.routed = rows.boolean(i, 7);
        claim.for_good = rows.boolean(i, 8);
        claim.replaced = rows.integer(i, 9);
        claims.push_back(std::move(claim));
    }
    return claims;
}

std::size_t read_missing(Transaction& transaction, std::span<const Claim> claims, Doorbells& doorbells) {
    const auto wanted = routing::missing(claims, doorbells);
    if (wanted.empty()) return 0;
    Keys keys;
    Array numbers;
    for (const auto& [stream, number] : wanted) {
        keys.add(stream);
        numbers.add(number);
    }
    const auto rows =
        transaction.run(query::read_messages, {keys.sellers.str(), keys.streams.str(), numbers.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        routing::Content content{std::string(rows.text(i, 3)), std::string(rows.text(i, 4))};
        doorbells.at(stream_at(rows, i)).contents.emplace(rows.integer(i, 2), std::move(content));
    }
    return rows.size();
}

void write_marks(Transaction& transaction, std::span<const routing::Mark> marks) {
    if (marks.empty()) return;
    Keys keys;
    Array delivered, attempts, troubles, pauses, refused, held_for;
    for (const auto& mark : marks) {
        keys.add(mark.stream);
        delivered.add(mark.delivered);
        attempts.add(mark.attempts);
        add_text(troubles, mark.trouble);
        add(refused, mark.refused);
        add_text(held_for, mark.held_for);
        mark.pause ? pauses.add(static_cast<std::int64_t>(mark.pause->count())) : pauses.add_null();
    }
    const auto rows = transaction.run(
        query::mark_streams, {keys.sellers.str(), keys.streams.str(), delivered.str(), attempts.str(),
                              troubles.str(), pauses.str(), refused.str(), held_for.str()});
    CARTWRIGHT_ASSERT(rows.affected() == marks.size());
}

std::map<StreamKey, std::int64_t> read_assigned(Transaction& transaction,
                                                std::span<const StreamKey> streams) {
    std::map<StreamKey, std::int64_t> assigned;
    if (streams.empty()) return assigned;
    const auto keys = keys_of(streams);
    const auto rows = transaction.run(query::read_assigned, {keys.sellers.str(), keys.streams.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) assigned.emplace(stream_at(rows, i), rows.integer(i, 2));
    return assigned;
}

std::map<StreamKey, Route> lock_routes(Transaction& transaction, std::span<const StreamKey> streams) {
    const auto keys = keys_of(streams);
    const auto rows = transaction.run(query::lock_routes, {keys.sellers.str(), keys.streams.str()});
    std::map<StreamKey, Route> routes;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Route route;
        route.destination = rows.text(i, 2);
        route.wished = rows.text(i, 3);
        if (!rows.is_null(i, 4)) route.next = Route::Next{std::string(rows.text(i, 4)), rows.integer(i, 5)};
        route.delivered = rows.integer(i, 6);
        route.tried = rows.integer(i, 7);
        routes.emplace(stream_at(rows, i), std::move(route));
    }
    return routes;
}

void write_routes(Transaction& transaction, const std::map<StreamKey, Route>& routes) {
    if (routes.empty()) return;
    Keys keys;
    Array destinations, wished, next_destinations, next_from;
    for (const auto& [stream, route] : routes) {
        keys.add(stream);
        destinations.add(route.destination);
        wished.add(route.wished);
        add_text(next_destinations, route.next ? route.next->destination : std::string());
        add(next_from, route.next ? std::optional(route.next->from) : std::nullopt);
    }
    const auto rows =
        transaction.run(query::write_routes, {keys.sellers.str(), keys.streams.str(), destinations.str(),
                                              wished.str(), next_destinations.str(), next_from.str()});
    CARTWRIGHT_ASSERT(rows.affected() == routes.size());
}

void record_switches(Transaction& transaction, std::span<const RecordedSwitch> switches) {
    if (switches.empty()) return;
    Keys keys;
    Array from, previous, destinations, decided_by, reasons;
    for (const auto& one : switches) {
        keys.add(one.stream);
        from.add(one.recorded.from);
        previous.add(one.recorded.previous);
        destinations.add(one.recorded.destination);
        decided_by.add(one.decided_by);
        reasons.add(one.reason);
    }
    transaction.run(query::record_switches,
                    {keys.sellers.str(), keys.streams.str(), from.str(), previous.str(), destinations.str(),
                     decided_by.str(), reasons.str()});
}

void register_rules(Transaction& transaction, const std::string& version, bool changed) {
    transaction.run(changed ? query::activate_rules : query::register_rules, {version});
}

std::string newest_rules(Transaction& transaction) {
    const auto rows = transaction.run(query::newest_rules);
    return rows.empty() ? std::string() : std::string(rows.text(0, 0));
}

std::vector<Lease> lease_streams(Transaction& transaction, const std::map<StreamKey, Believed>& streams,
                                 std::int64_t messages_max, std::chrono::milliseconds time) {
    Keys keys;
    Array destinations, wished;
    for (const auto& [stream, believed] : streams) {
        keys.add(stream);
        destinations.add(believed.destination);
        wished.add(believed.wished);
    }
    const auto rows = transaction.run(
        query::lease_streams, {keys.sellers.str(), keys.streams.str(), destinations.str(), wished.str(),
                               std::to_string(messages_max), std::to_string(time.count())});
    std::map<StreamKey, Lease> leases;
    Keys places;
    Array numbers;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto stream = stream_at(rows, i);
        leases.emplace(stream, Lease{stream,
                                     rows.integer(i, 2),
                                     rows.integer(i, 3),
                                     rows.integer(i, 4),
                                     rows.integer(i, 5),
                                     rows.integer(i, 6),
                                     std::chrono::milliseconds{rows.integer(i, 7)},
                                     {}});
    }
    for (const auto& [stream, lease] : leases) {
        for (auto number = lease.delivered + 1; number <= lease.to; ++number) {
            places.add(stream);
            numbers.add(number);
        }
    }
    if (numbers.size() == 0) return {};
    const auto messages =
        transaction.run(query::read_messages, {places.sellers.str(), places.streams.str(), numbers.str()});
    CARTWRIGHT_ASSERT(messages.size() == numbers.size());
    for (auto& [stream, lease] : leases)
        lease.contents.resize(static_cast<std::size_t>(lease.to - lease.delivered));
    for (std::size_t i = 0; i < messages.size(); ++i) {
        auto& lease = leases.at(stream_at(messages, i));
        lease.contents[static_cast<std::size_t>(messages.integer(i, 2) - lease.delivered - 1)] = {
            std::string(messages.text(i, 3)), std::string(messages.text(i, 4))};
    }
    std::vector<Lease> result;
    for (auto& [stream, lease] : leases) result.push_back(std::move(lease));
    return result;
}

std::vector<StreamKey> release_streams(Transaction& transaction, std::span<const Release> releases) {
    Keys keys;
    Array epochs, delivered, doubtful, attempts, troubles, refused, held_for, pauses;
    for (const auto& one : releases) {
        keys.add(one.stream);
        epochs.add(one.epoch);
        delivered.add(one.delivered);
        doubtful.add(one.doubtful);
        attempts.add(one.attempts);
        add_text(troubles, one.trouble);
        add(refused, one.refused);
        add_text(held_for, one.held_for);
        const auto pause = one.pause ? std::optional<std::int64_t>(one.pause->count()) : std::nullopt;
        add(pauses, one.for_good ? std::optional<std::int64_t>(-1) : pause);
    }
    const auto rows = transaction.run(
        query::release_streams,
        {keys.sellers.str(), keys.streams.str(), epochs.str(), delivered.str(), doubtful.str(),
         attempts.str(), troubles.str(), refused.str(), held_for.str(), pauses.str()});
    std::vector<StreamKey> own;
    for (std::size_t i = 0; i < rows.size(); ++i) own.push_back(stream_at(rows, i));
    return own;
}

bool is_as_believed(const Row& row, const Believed& believed) {
    return row.recorded == believed && (!believed.next_from || row.delivered + 1 < *believed.next_from);
}

std::map<StreamKey, Row> read_rows(Transaction& transaction, std::span<const StreamKey> streams) {
    const auto keys = keys_of(streams);
    const auto rows = transaction.run(query::read_rows, {keys.sellers.str(), keys.streams.str()});
    std::map<StreamKey, Row> found;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Believed recorded{std::string(rows.text(i, 2)), std::string(rows.text(i, 3)),
                          optional_integer(rows, i, 4)};
        found.emplace(stream_at(rows, i), Row{std::move(recorded), rows.integer(i, 5)});
    }
    return found;
}

void hold_stream(Transaction& transaction, const StreamKey& stream, const std::string& destination,
                 const std::string& held_for, const std::string& trouble, std::chrono::milliseconds pause) {
    transaction.run(query::hold_stream, {stream.seller_id.str(), stream.stream.str(), destination, held_for,
                                         trouble, std::to_string(pause.count())});
}

std::vector<Behind> streams_behind(Transaction& transaction, const StreamKey& after, std::size_t page_max) {
    transaction.execute_script(query::allow_merge_join);
    const auto rows = transaction.run(query::streams_behind,
                                      {after.seller_id.str(), after.stream.str(), std::to_string(page_max)});
    std::vector<Behind> behind;
    behind.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        behind.push_back({stream_at(rows, i), rows.integer(i, 2), rows.integer(i, 3)});
    }
    return behind;
}

std::vector<Waiting> streams_waiting(Transaction& transaction) {
    transaction.execute_script(query::allow_merge_join);
    const auto rows = transaction.run(query::streams_waiting);
    std::vector<Waiting> waiting;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        waiting.push_back({std::string(rows.text(i, 0)), rows.integer(i, 1),
                           std::chrono::milliseconds{rows.integer(i, 2)}});
    }
    return waiting;
}

}  // namespace cartwright::router
