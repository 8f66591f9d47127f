// The router's SQL. Arrays are sorted by the key they are compared with, so that rows are locked in its order.
#pragma once

#include "common/postgres/session.hpp"

namespace cartwright::router::query {

using postgres::Statement;

/// Makes the delivery rows of streams that were never delivered from.
inline constexpr Statement insert_streams{"router_insert_streams",
                                          "insert into seller_delivery (seller_id, stream) "
                                          "select d.seller_id, d.stream from unnest($1::text[], $2::text[]) "
                                          "as d (seller_id, stream) on conflict do nothing"};

/// Claims streams: locks their rows, answers how far they were, and marks as delivered what this run is about to deliver,
/// up to $3 but no more than $4 at once, one at a time after a failure, nothing while the stream is held.
inline constexpr Statement claim_streams{
    "router_claim_streams",
    "update seller_delivery s set claimed_from = s.last_delivered, "
    "last_delivered = case when s.next_attempt_at > now() then s.last_delivered "
    "else greatest(s.last_delivered, least(d.target, s.last_delivered + case when s.attempts > 0 then 1 else $4::bigint end)) "
    "end from unnest($1::text[], $2::text[], $3::bigint[]) as d (seller_id, stream, target) "
    "where s.seller_id = d.seller_id and s.stream = d.stream "
    "returning s.seller_id, s.stream, s.claimed_from, s.last_delivered, coalesce(s.next_attempt_at > now(), false), "
    "s.attempts"};

/// Writes how far streams really got. A failed one is held for $6 milliseconds.
inline constexpr Statement mark_streams{
    "router_mark_streams",
    "update seller_delivery s set last_delivered = d.delivered, attempts = d.attempts, trouble = d.trouble, "
    "next_attempt_at = case when d.trouble is null then null else now() + d.pause_ms * interval '1 millisecond' end "
    "from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[]) "
    "as d (seller_id, stream, delivered, attempts, trouble, pause_ms) "
    "where s.seller_id = d.seller_id and s.stream = d.stream"};

/// Reads stored messages by their place.
inline constexpr Statement read_messages{
    "router_read_messages",
    "select m.seller_id, m.stream, m.number, m.body from unnest($1::text[], $2::text[], $3::bigint[]) "
    "as d (seller_id, stream, number) join seller_message m "
    "on m.seller_id = d.seller_id and m.stream = d.stream and m.number = d.number"};

/// Streams that have messages to deliver and are not held.
inline constexpr Statement streams_behind{
    "router_streams_behind",
    "select s.seller_id, s.stream, s.last_assigned, coalesce(d.last_delivered, 0) from seller_stream s "
    "left join seller_delivery d on d.seller_id = s.seller_id and d.stream = s.stream "
    "where s.last_assigned > coalesce(d.last_delivered, 0) and coalesce(d.next_attempt_at <= now(), true) "
    "limit $1::bigint"};

}  // namespace cartwright::router::query
