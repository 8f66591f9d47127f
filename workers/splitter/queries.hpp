// The splitter's SQL. Arrays are sorted by the key they are compared with, so that rows are locked in its
// order.
#pragma once

#include "common/postgres/session.hpp"

namespace cartwright::splitter::query {

using postgres::Statement;
using postgres::Target;

/// Claims with their answers. A claim is work by (order id, item); whoever's row stays has done it.
inline constexpr Target new_claims{"split_new_claims", "inbox", "id, item, answer"};

/// Reads the answers of claims.
inline constexpr Statement read_claims{
    "split_read_claims",
    "select i.id, i.item, i.answer from unnest($1::text[], $2::text[]) as d (id, item) "
    "join inbox i on i.id = d.id and i.item = d.item"};

/// Takes the next numbers of streams; the row stays locked until the commit.
inline constexpr Statement take_numbers{
    "split_take_numbers",
    "insert into seller_stream as s (seller_id, stream, last_assigned) "
    "select d.seller_id, d.stream, d.messages from unnest($1::text[], $2::text[], $3::bigint[]) "
    "as d (seller_id, stream, messages) "
    "on conflict (seller_id, stream) do update set last_assigned = s.last_assigned + excluded.last_assigned "
    "returning seller_id, stream, last_assigned"};

/// Stores numbered messages, byte for byte.
inline constexpr Target new_messages{"split_new_messages", "seller_message",
                                     "seller_id, stream, number, order_id, kind, body, stream_rule"};

/// Reads stored messages by their place.
inline constexpr Statement read_messages{
    "split_read_messages",
    "select m.seller_id, m.stream, m.number, m.kind, m.body from unnest($1::text[], $2::text[], "
    "$3::bigint[]) "
    "as d (seller_id, stream, number) join seller_message m "
    "on m.seller_id = d.seller_id and m.stream = d.stream and m.number = d.number"};

}  // namespace cartwright::splitter::query
