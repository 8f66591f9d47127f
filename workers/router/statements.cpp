#include "workers/router/statements.hpp"

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
using routing::StreamKey;

struct Keys {
    Array sellers, streams;
    void add(const StreamKey& stream) {
        sellers.add(stream.seller_id.str());
        streams.add(stream.stream.str());
    }
};

StreamKey stream_at(const Rows& rows, std::size_t row) {
    return {SellerId(std::string(rows.text(row, 0))), StreamName(std::string(rows.text(row, 1)))};
}

}  // namespace

void insert_streams(Transaction& transaction, const Doorbells& doorbells) {
    Keys keys;
    for (const auto& [stream, doorbell] : doorbells) keys.add(stream);
    transaction.run(query::insert_streams, {keys.sellers.str(), keys.streams.str()});
}

std::vector<Claim> claim_streams(Transaction& transaction, const Doorbells& doorbells,
                                 const std::map<StreamKey, std::int64_t>& allowances) {
    Keys keys;
    Array targets, most;
    for (const auto& [stream, doorbell] : doorbells) {
        keys.add(stream);
        targets.add(doorbell.blocked.empty() ? doorbell.target : 0);
        most.add(allowances.at(stream));
    }
    const auto rows = transaction.run(query::claim_streams,
                                      {keys.sellers.str(), keys.streams.str(), targets.str(), most.str()});
    std::vector<Claim> claims;
    claims.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        claims.push_back({stream_at(rows, i), rows.integer(i, 2), rows.integer(i, 3), rows.boolean(i, 4),
                          rows.boolean(i, 5), rows.integer(i, 6)});
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
    Array delivered, attempts, troubles, pauses;
    for (const auto& mark : marks) {
        keys.add(mark.stream);
        delivered.add(mark.delivered);
        attempts.add(mark.attempts);
        mark.trouble.empty() ? troubles.add_null() : troubles.add(mark.trouble);
        mark.pause ? pauses.add(static_cast<std::int64_t>(mark.pause->count())) : pauses.add_null();
    }
    const auto rows =
        transaction.run(query::mark_streams, {keys.sellers.str(), keys.streams.str(), delivered.str(),
                                              attempts.str(), troubles.str(), pauses.str()});
    CARTWRIGHT_ASSERT(rows.affected() == marks.size());
}

std::map<StreamKey, std::int64_t> read_assigned(Transaction& transaction,
                                                std::span<const StreamKey> streams) {
    std::map<StreamKey, std::int64_t> assigned;
    if (streams.empty()) return assigned;
    Keys keys;
    for (const auto& stream : streams) keys.add(stream);
    const auto rows = transaction.run(query::read_assigned, {keys.sellers.str(), keys.streams.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) assigned.emplace(stream_at(rows, i), rows.integer(i, 2));
    return assigned;
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

}  // namespace cartwright::router
