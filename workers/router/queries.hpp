// The router's SQL. Arrays are sorted by the key they are compared with, so that rows are locked in its
// order.
#pragma once

#include "common/postgres/session.hpp"

namespace cartwright::router::query {

using postgres::Statement;

/// Makes the delivery rows of streams that were never delivered from.
inline constexpr Statement insert_streams{"router_insert_streams",
                                          "insert into seller_delivery (seller_id, stream) "
                                          "select d.seller_id, d.stream from unnest($1::text[], $2::text[]) "
                                          "as d (seller_id, stream) on conflict do nothing"};

/// Claims streams: locks their rows, answers how far they were, and marks as delivered what this run is about
/// to deliver, up to the target but no more than the allowance, one at a time after a failure, nothing while
/// held.
inline constexpr Statement claim_streams{
    "router_claim_streams",
    "update seller_delivery s set claimed_from = s.last_delivered, "
    "last_delivered = case when s.next_attempt_at > now() then s.last_delivered "
    "else greatest(s.last_delivered, "
    "least(d.target, s.last_delivered + case when s.attempts > 0 then 1 else d.allowance end)) end "
    "from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as d (seller_id, stream, target, "
    "allowance) "
    "where s.seller_id = d.seller_id and s.stream = d.stream "
    "returning s.seller_id, s.stream, s.claimed_from, s.last_delivered, coalesce(s.next_attempt_at > now(), "
    "false), "
    "s.next_attempt_at is not null, s.attempts"};

/// Writes how far claimed streams really got, and for how long they are held.
inline constexpr Statement mark_streams{
    "router_mark_streams",
    "update seller_delivery s set last_delivered = d.delivered, attempts = d.attempts, trouble = d.trouble, "
    "next_attempt_at = clock_timestamp() + d.pause_ms * interval '1 millisecond' "
    "from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[]) "
    "as d (seller_id, stream, delivered, attempts, trouble, pause_ms) "
    "where s.seller_id = d.seller_id and s.stream = d.stream"};

/// Reads stored messages by their place.
inline constexpr Statement read_messages{
    "router_read_messages",
    "select m.seller_id, m.stream, m.number, m.kind, m.body from unnest($1::text[], $2::text[], "
    "$3::bigint[]) "
    "as d (seller_id, stream, number) join seller_message m "
    "on m.seller_id = d.seller_id and m.stream = d.stream and m.number = d.number"};

/// The last number given of streams, without a lock: the row is the splitter's.
inline constexpr Statement read_assigned{
    "router_read_assigned",
    "select s.seller_id, s.stream, s.last_assigned from unnest($1::text[], $2::text[]) as d (seller_id, "
    "stream) "
    "join seller_stream s on s.seller_id = d.seller_id and s.stream = d.stream"};

/// For the sweep alone, which locks nothing: walking both tables side by side takes a fourth of the time.
inline constexpr const char* allow_merge_join = "set local enable_mergejoin = on";

/// Streams that have messages to deliver and are not held, a page of them in order of their key.
inline constexpr Statement streams_behind{
    "router_streams_behind",
    "select s.seller_id, s.stream, s.last_assigned, coalesce(d.last_delivered, 0) from seller_stream s "
    "left join seller_delivery d on d.seller_id = s.seller_id and d.stream = s.stream "
    "where (s.seller_id, s.stream) > ($1::text, $2::text) and s.last_assigned > coalesce(d.last_delivered, "
    "0) "
    "and coalesce(d.next_attempt_at <= now(), true) order by s.seller_id, s.stream limit $3::bigint"};

}  // namespace cartwright::router::query
