#include "workers/reserver/ledger.hpp"

#include "common/outcome/trouble.hpp"
#include "workers/reserver/queries.hpp"
#include "workers/reserver/rows.hpp"

namespace cartwright::reserver {
namespace {

using message::MovementKind;
using postgres::Array;
using postgres::NewRows;

const char* ledger_kind(MovementKind kind) {
    switch (kind) {
        case MovementKind::receipt:
            return "receipt";
        case MovementKind::count:
            return "count";
        case MovementKind::adjustment:
            return "adjustment";
        case MovementKind::dispatch:
            return "dispatch";
        case MovementKind::release:
            return "release";
        case MovementKind::restock:
            return "return";
    }
    outcome::die_of_bug("a movement of no kind", __FILE__, __LINE__);
}

/// A timestamptz as PostgreSQL prints it under time zone UTC: "2026-01-31 23:59:59.5+00".
Timestamp timestamp_of(std::string_view text) {
    auto iso = std::string(text);
    CARTWRIGHT_ASSERT(iso.size() > 3 && iso.ends_with("+00"));
    iso.replace(iso.size() - 3, 3, "Z");
    const auto time = from_rfc3339(iso);
    CARTWRIGHT_ASSERT(time.has_value());
    return *time;
}

template <class Text>
Text id(const postgres::Rows& rows, std::size_t row, int column) {
    return Text(std::string(rows.text(row, column)));
}

}  // namespace

void Ledger::lock_reservations(const std::set<LineKey>& lines) {
    if (lines.empty()) return;
    Array sellers, orders, ids;
    for (const auto& line : lines) {
        sellers.add(line.seller_id.str());
        orders.add(line.order_id.str());
        ids.add(line.line_id.str());
    }
    const auto rows = transaction_.run(query::lock_reservations, {sellers.str(), orders.str(), ids.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        ReservationKey key{id<SellerId>(rows, i, 0), id<OrderId>(rows, i, 1), id<LineId>(rows, i, 2),
                           id<WarehouseId>(rows, i, 3)};
        const stock::Reservation now{rows.integer(i, 5), rows.integer(i, 6), rows.integer(i, 7),
                                     rows.integer(i, 8), rows.integer(i, 9)};
        reservations_.emplace(std::move(key), LockedReservation{id<Sku>(rows, i, 4), now, false});
    }
}

std::vector<std::pair<const ReservationKey, LockedReservation>*> Ledger::of_line(const LineKey& line) {
    std::vector<std::pair<const ReservationKey, LockedReservation>*> found;
    auto at = reservations_.lower_bound({line.seller_id, line.order_id, line.line_id, WarehouseId{}});
    for (; at != reservations_.end(); ++at) {
        const auto& key = at->first;
        if (LineKey{key.seller_id, key.order_id, key.line_id} != line) break;
        found.push_back(&*at);
    }
    return found;
}

std::set<OfferKey> Ledger::without_positions(const std::set<OfferKey>& offers) {
    auto missing = offers;
    Array sellers, skus;
    for (const auto& offer : offers) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
    }
    const auto rows = transaction_.run(query::read_positions, {sellers.str(), skus.str()});
    for (std::size_t i = 0; i < rows.size(); ++i)
        missing.erase({id<SellerId>(rows, i, 0), id<Sku>(rows, i, 1)});
    return missing;
}

void Ledger::insert_positions(const std::set<PositionKey>& positions) {
    if (positions.empty()) return;
    Array sellers, skus, warehouses;
    for (const auto& key : positions) {
        sellers.add(key.seller_id.str());
        skus.add(key.sku.str());
        warehouses.add(key.warehouse.str());
    }
    transaction_.run(query::insert_positions, {sellers.str(), skus.str(), warehouses.str()});
}

void Ledger::lock_positions(const std::set<OfferKey>& offers) {
    if (offers.empty()) return;
    Array sellers, skus;
    for (const auto& offer : offers) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
    }
    const auto rows = transaction_.run(query::lock_positions, {sellers.str(), skus.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        stock::Position position{
            rows.integer(i, 3), rows.integer(i, 4), rows.integer(i, 5), rows.integer(i, 6), {}};
        if (!rows.is_null(i, 7)) position.counted_at = timestamp_of(rows.text(i, 7));
        positions_.emplace(
            PositionKey{id<SellerId>(rows, i, 0), id<Sku>(rows, i, 1), id<WarehouseId>(rows, i, 2)},
            LockedPosition{position, position});
    }
}

/// Physical movements after `time` that are in the ledger or were folded in before in this transaction.
std::int64_t Ledger::physical_since(const PositionKey& key, Timestamp time) {
    const auto stored = transaction_.run(
        query::physical_since, {key.seller_id.str(), key.sku.str(), key.warehouse.str(), to_rfc3339(time)});
    auto sum = stored.integer(0, 0);
    for (const auto& row : rows_) {
        if (row.key == key && row.occurred_at > time) sum += row.deltas.physical();
    }
    return sum;
}

bool Ledger::apply(const PositionKey& key, stock::Change change, const Cause& cause) {
    auto& position = positions_.at(key).now;
    const bool counts = change.kind == MovementKind::count &&
                        (!position.counted_at || change.occurred_at >= *position.counted_at);
    if (counts) change.physical_since = physical_since(key, change.occurred_at);
    const auto deltas = stock::apply(position, change);
    if (!deltas) return false;
    rows_.push_back({key, position.version, change.kind, *deltas, cause, change.occurred_at});
    return true;
}

void Ledger::write() {
    write_reservations();
    write_positions();
    write_rows();
}

void Ledger::write_reservations() {
    Array sellers, orders, lines, warehouses, open, dispatched, released, returned;
    for (const auto& [key, reservation] : reservations_) {
        if (!reservation.changed) continue;
        sellers.add(key.seller_id.str());
        orders.add(key.order_id.str());
        lines.add(key.line_id.str());
        warehouses.add(key.warehouse.str());
        open.add(reservation.now.open);
        dispatched.add(reservation.now.dispatched);
        released.add(reservation.now.released);
        returned.add(reservation.now.returned);
    }
    if (sellers.size() == 0) return;
    const auto rows = transaction_.run(
        query::set_reservations, {sellers.str(), orders.str(), lines.str(), warehouses.str(), open.str(),
                                  dispatched.str(), released.str(), returned.str()});
    CARTWRIGHT_ASSERT(rows.affected() == sellers.size());
}

void Ledger::write_positions() {
    Array sellers, skus, warehouses, on_hand, reserved, shortfall, version, counted_at;
    for (const auto& [key, position] : positions_) {
        if (position.now == position.before) continue;
        sellers.add(key.seller_id.str());
        skus.add(key.sku.str());
        warehouses.add(key.warehouse.str());
        on_hand.add(position.now.on_hand);
        reserved.add(position.now.reserved);
        shortfall.add(position.now.shortfall);
        version.add(position.now.version);
        if (position.now.counted_at) {
            counted_at.add(to_rfc3339(*position.now.counted_at));
        } else {
            counted_at.add_null();
        }
    }
    if (sellers.size() == 0) return;
    const auto rows = transaction_.run(
        query::set_positions, {sellers.str(), skus.str(), warehouses.str(), on_hand.str(), reserved.str(),
                               shortfall.str(), version.str(), counted_at.str()});
    CARTWRIGHT_ASSERT(rows.affected() == sellers.size());
}

void Ledger::write_rows() {
    NewRows events;
    for (const auto& row : rows_) {
        add(events, LedgerRow{.position = row.key,
                              .version = row.version,
                              .kind = ledger_kind(row.kind),
                              .deltas = row.deltas,
                              .cause = row.cause.event_id,
                              .order_id = row.cause.order_id.str(),
                              .source = row.cause.source,
                              .reason = row.cause.reason,
                              .occurred_at = to_rfc3339(row.occurred_at)});
    }
    transaction_.append(query::new_events, events);
}

std::vector<message::StockChanged> Ledger::positions() const {
    std::vector<message::StockChanged> result;
    for (const auto& [key, position] : positions_) {
        const auto& now = position.now;
        result.push_back({key, now.on_hand, now.reserved, now.shortfall, now.version});
    }
    return result;
}

std::vector<message::StockShortfall> Ledger::shortfalls(std::size_t orders_max, bool again) {
    std::vector<message::StockShortfall> result;
    for (const auto& [key, position] : positions_) {
        const bool grown = position.now.shortfall > position.before.shortfall;
        if (!grown && !(again && position.now.shortfall > 0)) continue;
        message::StockShortfall shortfall{key, position.now.shortfall, position.now.version, {}};
        const auto rows = transaction_.run(
            query::newest_promised,
            {key.seller_id.str(), key.sku.str(), key.warehouse.str(), std::to_string(orders_max)});
        std::int64_t missing = position.now.shortfall;
        for (std::size_t i = 0; i < rows.size() && missing > 0; ++i) {
            if (rows.integer(i, 1) == 0) continue;
            shortfall.orders.push_back(id<OrderId>(rows, i, 0));
            missing -= rows.integer(i, 1);
        }
        result.push_back(std::move(shortfall));
    }
    return result;
}

}  // namespace cartwright::reserver
