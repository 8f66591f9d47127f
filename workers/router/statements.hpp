// The router's statements as functions.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "common/postgres/session.hpp"
#include "common/routing/delivery.hpp"

namespace cartwright::router {

/// Rows that are missing are made in a transaction of their own; they are never deleted.
void insert_streams(postgres::Transaction& transaction, const routing::Doorbells& doorbells);

/// One claim a stream; fewer when a stream has no row yet.
std::vector<routing::Claim> claim_streams(postgres::Transaction& transaction,
                                          const routing::Doorbells& doorbells,
                                          const std::map<routing::StreamKey, std::int64_t>& allowances);

/// Reads what is to be delivered and not at hand into the doorbells; how many messages that were.
std::size_t read_missing(postgres::Transaction& transaction, std::span<const routing::Claim> claims,
                         routing::Doorbells& doorbells);

void write_marks(postgres::Transaction& transaction, std::span<const routing::Mark> marks);

/// The last number given of each stream. `streams` is sorted.
std::map<routing::StreamKey, std::int64_t> read_assigned(postgres::Transaction& transaction,
                                                         std::span<const routing::StreamKey> streams);

struct Behind {
    routing::StreamKey stream;
    std::int64_t assigned = 0;
    std::int64_t delivered = 0;
};

/// Streams that have messages to deliver and are not held: up to `page_max` of them behind `after`, in order.
std::vector<Behind> streams_behind(postgres::Transaction& transaction, const routing::StreamKey& after,
                                   std::size_t page_max);

}  // namespace cartwright::router
