// The reserver's SQL. Every array is sorted by the key it is compared with, so that rows are locked in the
// order of the key; with the workers' role settings a sorted array drives an index nested loop.
#pragma once

#include "common/postgres/session.hpp"

namespace cartwright::reserver::query {

using postgres::Statement;
using postgres::Target;

/// Claims carts: whoever inserts the row decides; the others read it in the next statement.
inline constexpr Statement claim_orders{
    "claim_orders",
    "insert into orders (order_id, state, content_hash, answer, reply_to, correlation_id) "
    "select d.order_id, d.state::order_state, decode(d.hash, 'hex'), d.answer, d.reply_to, d.correlation_id "
    "from unnest($1::text[], $2::text[], $3::text[], string_to_array($4::text, E'\\x1f'), $5::text[], "
    "$6::text[]) "
    "as d (order_id, state, hash, answer, reply_to, correlation_id) "
    "on conflict (order_id) do nothing returning order_id"};

/// The same for carts that nobody has claimed, most probably.
inline constexpr Target new_orders{"new_orders", "orders",
                                   "order_id, state, content_hash, answer, reply_to, correlation_id"};

/// Reads what is known of orders, without a lock.
inline constexpr Statement read_orders{
    "read_orders",
    "select o.order_id, o.state, encode(o.content_hash, 'hex'), o.answer "
    "from unnest($1::text[]) as d (order_id) join orders o on o.order_id = d.order_id"};

/// Locks orders and reads them.
inline constexpr Statement lock_orders{
    "lock_orders",
    "update orders o set filled_by = o.filled_by from unnest($1::text[]) as d (order_id) "
    "where o.order_id = d.order_id returning o.order_id, o.state, o.answer, o.reply_to, o.correlation_id"};

/// Writes the state and answer that were decided after the claim.
inline constexpr Statement decide_orders{
    "decide_orders",
    "update orders o set state = d.state::order_state, answer = d.answer, filled_by = coalesce(d.filled_by, "
    "o.filled_by) "
    "from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as d (order_id, state, answer, filled_by) "
    "where o.order_id = d.order_id"};

/// Orders that a doorbell filled before.
inline constexpr Statement read_filled{
    "read_filled",
    "select order_id, state, answer, reply_to, correlation_id from orders where filled_by = $1 "
    "order by order_id"};

/// All positions of offers, without a lock.
inline constexpr Statement read_positions{
    "read_positions",
    "select p.seller_id, p.sku, p.warehouse, p.on_hand, p.reserved, p.shortfall, p.version "
    "from unnest($1::text[], $2::text[]) as d (seller_id, sku) "
    "join stock_position p on p.seller_id = d.seller_id and p.sku = d.sku"};

/// Makes positions that are not there yet, so that there is a row to lock.
inline constexpr Statement insert_positions{
    "insert_positions",
    "insert into stock_position (seller_id, sku, warehouse) "
    "select d.seller_id, d.sku, d.warehouse from unnest($1::text[], $2::text[], $3::text[]) "
    "as d (seller_id, sku, warehouse) on conflict do nothing"};

/// Locks positions and takes what is asked for where it is there, in one statement. $5 is the number of
/// ledger rows that a position gets; a position that is short is locked and left as it is.
inline constexpr Statement take_units{
    "take_units",
    "update stock_position p set "
    "last_taken = case when p.on_hand - p.reserved >= d.units then d.units else 0 end, "
    "reserved = p.reserved + case when p.on_hand - p.reserved >= d.units then d.units else 0 end, "
    "version = p.version + case when p.on_hand - p.reserved >= d.units then d.events else 0 end "
    "from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) "
    "as d (seller_id, sku, warehouse, units, events) "
    "where p.seller_id = d.seller_id and p.sku = d.sku and p.warehouse = d.warehouse "
    "returning p.seller_id, p.sku, p.warehouse, p.on_hand, p.reserved, p.shortfall, p.version, p.last_taken"};

/// Writes what was decided under the locks.
inline constexpr Statement set_reserved{
    "set_reserved",
    "update stock_position p set reserved = d.reserved, version = d.version "
    "from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) "
    "as d (seller_id, sku, warehouse, reserved, version) "
    "where p.seller_id = d.seller_id and p.sku = d.sku and p.warehouse = d.warehouse"};

/// Promises units to lines.
inline constexpr Target new_reservations{"new_reservations", "reservation",
                                         "seller_id, order_id, line_id, warehouse, sku, reserved, open"};

/// The ledger.
inline constexpr Target new_events{"new_events", "stock_event",
                                   "seller_id, sku, warehouse, version, kind, on_hand_delta, reserved_delta, "
                                   "shortfall_delta, cause, order_id, source, reason, occurred_at"};

/// Remembers what held carts wait for.
inline constexpr Statement insert_held{
    "insert_held",
    "insert into held_line (seller_id, sku, held_at, order_id) "
    "select d.seller_id, d.sku, now(), d.order_id from unnest($1::text[], $2::text[], $3::text[]) "
    "as d (seller_id, sku, order_id)"};

/// Held carts that wait for any of these offers, a page of each, oldest first.
inline constexpr Statement read_held{
    "read_held",
    "select distinct h.held_at, h.order_id from unnest($1::text[], $2::text[]) as d (seller_id, sku) "
    "cross join lateral (select l.held_at, l.order_id from held_line l "
    "where l.seller_id = d.seller_id and l.sku = d.sku and (l.held_at, l.order_id) > ($3::timestamptz, "
    "$4::text) "
    "order by l.held_at, l.order_id limit $5::bigint) h order by h.held_at, h.order_id limit $5::bigint"};

/// Which of these offers somebody waits for.
inline constexpr Statement waited_for{
    "waited_for",
    "select d.seller_id, d.sku from unnest($1::text[], $2::text[]) as d (seller_id, sku) "
    "where exists (select from held_line l where l.seller_id = d.seller_id and l.sku = d.sku)"};

/// What these orders wait for, or waited for until they were cancelled.
inline constexpr Statement held_by_order{"held_by_order",
                                         "select l.order_id, l.seller_id, l.sku from unnest($1::text[]) as d "
                                         "(order_id) join held_line l on l.order_id = "
                                         "d.order_id"};

/// An order that is not pending waits no more.
inline constexpr Statement delete_held_order{
    "delete_held_order",
    "delete from held_line where order_id = $1::text and exists (select from orders o where o.order_id = "
    "$1::text and o.state <> 'pending')"};

/// Nobody waits any more for these offers in these orders.
inline constexpr Statement delete_held{
    "delete_held",
    "delete from held_line l using unnest($1::text[], $2::text[], $3::text[]) as d (seller_id, sku, "
    "order_id) "
    "where l.seller_id = d.seller_id and l.sku = d.sku and l.order_id = d.order_id"};

/// Claims movements and cancellations by (event id, item).
inline constexpr Statement claim_items{
    "claim_items",
    "insert into inbox (id, item) select d.id, d.item from unnest($1::text[], $2::text[]) as d (id, item) "
    "on conflict do nothing returning id, item"};

/// Gives up claims whose work was not done, so that it can be asked for again.
inline constexpr Statement release_items{"release_items",
                                         "delete from inbox i using unnest($1::text[], $2::text[]) as d (id, "
                                         "item) where i.id = d.id and i.item = d.item"};

/// Stores what a partial cancellation did, for its repeats.
inline constexpr Statement answer_items{"answer_items",
                                        "update inbox i set answer = d.answer from unnest($1::text[], "
                                        "$2::text[], $3::text[]) as d (id, item, answer) "
                                        "where i.id = d.id and i.item = d.item"};

/// Reads stored answers.
inline constexpr Statement read_items{
    "read_items",
    "select i.id, i.item, i.answer from unnest($1::text[], $2::text[]) as d (id, item) "
    "join inbox i on i.id = d.id and i.item = d.item"};

/// Locks the reservations of lines, in every warehouse, and reads them.
inline constexpr Statement lock_reservations{
    "lock_reservations",
    "update reservation r set open = r.open from unnest($1::text[], $2::text[], $3::text[]) "
    "as d (seller_id, order_id, line_id) "
    "where r.seller_id = d.seller_id and r.order_id = d.order_id and r.line_id = d.line_id "
    "returning r.seller_id, r.order_id, r.line_id, r.warehouse, r.sku, r.reserved, r.open, r.dispatched, "
    "r.released, "
    "r.returned"};

/// Writes reservations as they were decided.
inline constexpr Statement set_reservations{
    "set_reservations",
    "update reservation r set open = d.open, dispatched = d.dispatched, released = d.released, returned = "
    "d.returned "
    "from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], "
    "$8::bigint[]) "
    "as d (seller_id, order_id, line_id, warehouse, open, dispatched, released, returned) "
    "where r.seller_id = d.seller_id and r.order_id = d.order_id and r.line_id = d.line_id and r.warehouse = "
    "d.warehouse"};

/// Locks every position of offers and reads them.
inline constexpr Statement lock_positions{
    "lock_positions",
    "update stock_position p set last_taken = 0 from unnest($1::text[], $2::text[]) as d (seller_id, sku) "
    "where p.seller_id = d.seller_id and p.sku = d.sku "
    "returning p.seller_id, p.sku, p.warehouse, p.on_hand, p.reserved, p.shortfall, p.version, p.counted_at"};

/// Writes positions as they were decided.
inline constexpr Statement set_positions{
    "set_positions",
    "update stock_position p set on_hand = d.on_hand, reserved = d.reserved, shortfall = d.shortfall, "
    "version = d.version, counted_at = d.counted_at "
    "from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], "
    "$8::timestamptz[]) as d (seller_id, sku, warehouse, on_hand, reserved, shortfall, version, counted_at) "
    "where p.seller_id = d.seller_id and p.sku = d.sku and p.warehouse = d.warehouse"};

/// What moved physically at a position after a point in time, from its ledger.
inline constexpr Statement physical_since{
    "physical_since",
    "select coalesce(sum(e.on_hand_delta - e.shortfall_delta), 0) from stock_event e "
    "where e.seller_id = $1 and e.sku = $2 and e.warehouse = $3 and e.occurred_at > $4::timestamptz "
    "and e.kind in ('receipt', 'count', 'adjustment', 'dispatch', 'return')"};

/// The newest orders with open units at a position, by reading its ledger backwards.
inline constexpr Statement newest_promised{
    "newest_promised",
    "select n.order_id, (select coalesce(sum(r.open), 0) from reservation r where r.seller_id = $1 "
    "and r.order_id = n.order_id and r.sku = $2 and r.warehouse = $3) from ("
    "select e.order_id, e.version from stock_event e where e.seller_id = $1 and e.sku = $2 and e.warehouse = "
    "$3 "
    "and e.kind = 'reservation' order by e.version desc limit $4::bigint) n order by n.version desc"};

}  // namespace cartwright::reserver::query
