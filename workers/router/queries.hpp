// The router's SQL. Arrays are sorted by the key they are compared with, so that rows are locked in its
// order.
#pragma once

#include "common/postgres/session.hpp"

namespace cartwright::router::query {

using postgres::Statement;

/// Makes the delivery rows of streams that were never delivered from.
inline constexpr Statement insert_streams{
    "router_insert_streams",
    "insert into seller_delivery (seller_id, stream, destination, wished) "
    "select d.seller_id, d.stream, d.wished, d.wished from unnest($1::text[], $2::text[], $3::text[]) "
    "as d (seller_id, stream, wished) on conflict do nothing"};

/// Claims streams of queues: locks their rows, answers how far they were, and marks as delivered what this
/// run is about to deliver, up to the target but no more than the allowance, one at a time after a failure;
/// nothing while held, or where the row's route is another than the caller believes.
inline constexpr Statement claim_streams{
    "router_claim_streams",
    "update seller_delivery s set claimed_from = s.last_delivered, "
    "last_delivered = case when s.next_attempt_at > now() or s.destination <> d.destination "
    "or s.wished <> d.wished or s.next_from is distinct from d.next_from then s.last_delivered "
    "else greatest(s.last_delivered, "
    "least(d.target, s.last_delivered + case when s.attempts > 0 then 1 else d.allowance end)) end "
    "from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[]) "
    "as d (seller_id, stream, target, allowance, destination, wished, next_from) "
    "where s.seller_id = d.seller_id and s.stream = d.stream "
    "returning s.seller_id, s.stream, s.claimed_from, s.last_delivered, coalesce(s.next_attempt_at > now(), "
    "false), s.next_attempt_at is not null, s.attempts, s.destination = d.destination and s.wished = "
    "d.wished "
    "and s.next_from is not distinct from d.next_from, coalesce(s.next_attempt_at = 'infinity', false), "
    "s.replaced"};

/// Writes how far claimed streams really got, and for how long they are held.
inline constexpr Statement mark_streams{
    "router_mark_streams",
    "update seller_delivery s set last_delivered = d.delivered, attempts = d.attempts, trouble = d.trouble, "
    "refused = d.refused, held_for = d.held_for, "
    "failing_since = case when d.attempts > 0 then coalesce(s.failing_since, now()) end, "
    "next_attempt_at = clock_timestamp() + d.pause_ms * interval '1 millisecond' "
    "from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], "
    "$8::text[]) as d (seller_id, stream, delivered, attempts, trouble, pause_ms, refused, held_for) "
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

/// Locks the rows of streams and reads their routes.
inline constexpr Statement lock_routes{
    "router_lock_routes",
    "update seller_delivery s set claimed_from = s.claimed_from "
    "from unnest($1::text[], $2::text[]) as d (seller_id, stream) "
    "where s.seller_id = d.seller_id and s.stream = d.stream "
    "returning s.seller_id, s.stream, s.destination, s.wished, s.next_destination, s.next_from, "
    "s.last_delivered, greatest(s.tried, s.doubtful)"};

/// Writes the routes of locked streams. Whoever goes somewhere new begins there without failures.
inline constexpr Statement write_routes{
    "router_write_routes",
    "update seller_delivery s set destination = d.destination, wished = d.wished, "
    "next_destination = d.next_destination, next_from = d.next_from, "
    "attempts = case when s.destination = d.destination then s.attempts else 0 end, "
    "failing_since = case when s.destination = d.destination then s.failing_since end, "
    "held_for = case when s.destination = d.destination then s.held_for end, "
    "trouble = case when s.destination = d.destination then s.trouble end, "
    "next_attempt_at = case when s.destination = d.destination then s.next_attempt_at end, "
    "tried = case when s.destination = d.destination then s.tried else 0 end, "
    "doubtful = case when s.destination = d.destination then s.doubtful else 0 end "
    "from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) "
    "as d (seller_id, stream, destination, wished, next_destination, next_from) "
    "where s.seller_id = d.seller_id and s.stream = d.stream"};

inline constexpr Statement record_switches{
    "router_record_switches",
    "insert into seller_switch (seller_id, stream, from_number, previous, destination, decided_by, reason) "
    "select d.seller_id, d.stream, d.from_number, d.previous, d.destination, d.decided_by, d.reason "
    "from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[]) "
    "as d (seller_id, stream, from_number, previous, destination, decided_by, reason)"};

/// A rule set that was just started with: known ones keep their age.
inline constexpr Statement register_rules{
    "router_register_rules",
    "insert into rules_version (version) select $1::text where not exists "
    "(select from rules_version where version = $1::text) on conflict (version) do nothing"};

/// A rule set that was changed to while running: it is the newest now.
inline constexpr Statement activate_rules{
    "router_activate_rules",
    "insert into rules_version as r (version) values ($1::text) on conflict (version) do update "
    "set activated_at = clock_timestamp() "
    "where r.activated_at < (select max(activated_at) from rules_version)"};

inline constexpr Statement newest_rules{
    "router_newest_rules", "select version from rules_version order by activated_at desc, version limit 1"};

/// Leases streams of endpoints that have something to deliver, are not held and not leased: the row is free
/// again at the commit, the lease holds until it is released or over. What a lost lease left tried is
/// doubtful.
inline constexpr Statement lease_streams{
    "router_lease_streams",
    "update seller_delivery s set lease_epoch = s.lease_epoch + 1, "
    "lease_until = clock_timestamp() + $6::bigint * interval '1 millisecond', "
    "doubtful = greatest(s.doubtful, s.tried), "
    "tried = least(a.last_assigned, s.next_from - 1, "
    "s.last_delivered + case when s.attempts > 0 then 1 else $5::bigint end) "
    "from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as d (seller_id, stream, destination, "
    "wished) join seller_stream a on a.seller_id = d.seller_id and a.stream = d.stream "
    "where s.seller_id = d.seller_id and s.stream = d.stream "
    "and s.destination = d.destination and s.wished = d.wished "
    "and s.last_delivered < least(a.last_assigned, s.next_from - 1) "
    "and coalesce(s.lease_until < clock_timestamp(), true) "
    "and coalesce(s.next_attempt_at <= clock_timestamp(), true) "
    "returning s.seller_id, s.stream, s.lease_epoch, s.last_delivered, s.tried, s.doubtful, s.attempts, "
    "coalesce((extract(epoch from clock_timestamp() - s.failing_since) * 1000)::bigint, -1)"};

/// Why streams could not be leased.
inline constexpr Statement read_rows{
    "router_read_rows",
    "select s.seller_id, s.stream, s.destination, s.wished, s.next_from, s.last_delivered "
    "from unnest($1::text[], $2::text[]) as d (seller_id, stream) "
    "join seller_delivery s on s.seller_id = d.seller_id and s.stream = d.stream"};

/// Ends leases with what came of them; nothing where somebody else has taken over. A pause of -1 holds the
/// stream until a person resumes it.
inline constexpr Statement release_streams{
    "router_release_streams",
    "update seller_delivery s set last_delivered = greatest(s.last_delivered, d.delivered), "
    "lease_until = null, tried = 0, doubtful = greatest(s.doubtful, d.doubtful), attempts = d.attempts, "
    "trouble = d.trouble, refused = d.refused, held_for = d.held_for, "
    "failing_since = case when d.attempts > 0 then coalesce(s.failing_since, now()) end, "
    "next_attempt_at = case when d.pause_ms < 0 then 'infinity'::timestamptz "
    "else clock_timestamp() + d.pause_ms * interval '1 millisecond' end "
    "from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], "
    "$8::bigint[], $9::text[], $10::bigint[]) "
    "as d (seller_id, stream, epoch, delivered, doubtful, attempts, trouble, refused, held_for, pause_ms) "
    "where s.seller_id = d.seller_id and s.stream = d.stream and s.lease_epoch = d.epoch "
    "returning s.seller_id, s.stream"};

/// Holds a stream whose recorded destination nobody knows.
inline constexpr Statement hold_stream{
    "router_hold_stream",
    "update seller_delivery set held_for = $4::text, trouble = $5::text, "
    "next_attempt_at = clock_timestamp() + $6::bigint * interval '1 millisecond' "
    "where seller_id = $1::text and stream = $2::text and destination = $3::text"};

/// For the sweep alone, which locks nothing: walking both tables side by side takes a fourth of the time.
inline constexpr const char* allow_merge_join = "set local enable_mergejoin = on";

/// Streams that have messages to deliver and are neither held nor leased, a page of them in order of their
/// key.
inline constexpr Statement streams_behind{
    "router_streams_behind",
    "select s.seller_id, s.stream, s.last_assigned, coalesce(d.last_delivered, 0) from seller_stream s "
    "left join seller_delivery d on d.seller_id = s.seller_id and d.stream = s.stream "
    "where (s.seller_id, s.stream) > ($1::text, $2::text) and s.last_assigned > coalesce(d.last_delivered, "
    "0) and coalesce(d.next_attempt_at <= now(), true) and coalesce(d.lease_until <= now(), true) "
    "order by s.seller_id, s.stream limit $3::bigint"};

/// Streams with messages to deliver by what holds them, and the age of the oldest such message.
inline constexpr Statement streams_waiting{
    "router_streams_waiting",
    "select coalesce(d.held_for, ''), count(*), "
    "coalesce((extract(epoch from now() - min(m.created_at)) * 1000)::bigint, 0) from seller_stream s "
    "left join seller_delivery d on d.seller_id = s.seller_id and d.stream = s.stream "
    "left join seller_message m on m.seller_id = s.seller_id and m.stream = s.stream "
    "and m.number = coalesce(d.last_delivered, 0) + 1 "
    "where s.last_assigned > coalesce(d.last_delivered, 0) group by 1"};

}  // namespace cartwright::router::query
