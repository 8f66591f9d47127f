// The reserver's statements about positions, their ledger and reservations.
#include <algorithm>

#include "tests/model/statement.hpp"
#include "workers/reserver/queries.hpp"

namespace cartwright::model {
namespace {

namespace query = reserver::query;

using Positions = Table<Position, PositionRow>;
using Reservations = Table<ReservationPlace, ReservationRow>;

/// The CHECK constraints of stock_position.
void check(const PositionRow& row) {
    if (row.reserved < 0 || row.reserved > row.on_hand) throw Violation{"reserved_within_on_hand"};
    if (row.shortfall < 0 || row.shortfall > row.on_hand) throw Violation{"shortfall_within_on_hand"};
}

/// Those of reservation.
void check(const ReservationRow& row) {
    if (row.open < 0 || row.open + row.dispatched + row.released != row.reserved)
        throw Violation{"every_unit_is_somewhere"};
    if (row.returned < 0 || row.returned > row.dispatched) throw Violation{"returned_within_dispatched"};
}

/// The slots of an offer's positions that the statement sees, in order of their key.
std::vector<Positions::Slot*> positions_of(Call& call, const Text& seller, const Text& sku) {
    std::vector<Positions::Slot*> found;
    auto& slots = call.database.positions.slots();
    for (auto at = slots.lower_bound(Position{seller, sku, ""});
         at != slots.end() && std::get<0>(at->first) == seller && std::get<1>(at->first) == sku; ++at) {
        if (Positions::visible(at->second, &call.work) != nullptr) found.push_back(&at->second);
    }
    return found;
}

void read_positions(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        for (const auto* slot : positions_of(call, *sellers[i], *skus[i])) {
            const auto& row = *Positions::visible(*slot, &call.work);
            call.row(*sellers[i], *skus[i], std::get<2>(*slot->key), row.on_hand, row.reserved, row.shortfall,
                     row.version);
        }
    }
}

void insert_positions(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1), warehouses = call.list(2);
    const bool by_movements = call.work.lane.find("movements") != std::string::npos;
    if (call.is(Mutation::no_row_for_an_empty_offer) && !by_movements) return;
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        call.database.insert_if_absent(call.work, call.database.positions,
                                       Position{*sellers[i], *skus[i], *warehouses[i]}, {});
    }
}

void take_units(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1), warehouses = call.list(2), units = call.list(3),
               events = call.list(4);
    auto& table = call.database.positions;
    std::vector<Positions::Slot*> seen;
    std::vector<PositionRow> at_begin;
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        seen.push_back(call.database.seen(call.work, table, Position{*sellers[i], *skus[i], *warehouses[i]}));
        at_begin.push_back(seen[i] == nullptr ? PositionRow{} : *Positions::visible(*seen[i], &call.work));
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
        if (seen[i] == nullptr) continue;
        const auto asked = to_number(units[i]);
        const auto& was = at_begin[i];
        if (call.is(Mutation::short_locks_nothing) &&
            was.on_hand - was.reserved < std::max<Number>(asked, 1)) {
            call.row(*sellers[i], *skus[i], *warehouses[i], was.on_hand, was.reserved, was.shortfall,
                     was.version, Number{0});
            continue;
        }
        auto* row = call.database.lock_seen(call.work, table, seen[i]);
        if (row == nullptr) continue;
        if (call.is(Mutation::take_from_snapshot)) *row = was;
        const bool there = row->on_hand - row->reserved >= asked;
        row->last_taken = there ? asked : 0;
        row->reserved += there ? asked : 0;
        const auto rows = to_number(events[i]);
        row->version +=
            there ? (call.is(Mutation::one_version_a_batch) ? std::min<Number>(rows, 1) : rows) : 0;
        check(*row);
        call.row(*sellers[i], *skus[i], *warehouses[i], row->on_hand, row->reserved, row->shortfall,
                 row->version, row->last_taken);
    }
}

void set_reserved(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1), warehouses = call.list(2),
               reserved = call.list(3), versions = call.list(4);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        auto* slot = call.database.seen(call.work, call.database.positions,
                                        Position{*sellers[i], *skus[i], *warehouses[i]});
        auto* row = call.database.lock_seen(call.work, call.database.positions, slot);
        if (row == nullptr) continue;
        row->reserved = to_number(reserved[i]);
        row->version = to_number(versions[i]);
        check(*row);
        ++call.answer.affected;
    }
}

void new_reservations(Call& call) {
    const auto sellers = call.list(0), orders = call.list(1), lines = call.list(2), warehouses = call.list(3),
               skus = call.list(4), units = call.list(5);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        const auto amount = to_number(units[i]);
        if (amount <= 0) throw Violation{"reserved > 0"};
        call.database.insert(call.work, call.database.reservations,
                             ReservationPlace{*sellers[i], *orders[i], *lines[i], *warehouses[i]},
                             ReservationRow{*skus[i], amount, amount, 0, 0, 0}, "reservation");
        ++call.answer.affected;
    }
}

void new_events(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1), warehouses = call.list(2),
               versions = call.list(3), kinds = call.list(4), on_hand = call.list(5), reserved = call.list(6),
               shortfall = call.list(7), causes = call.list(8), orders = call.list(9), times = call.list(12);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        call.database.insert(
            call.work, call.database.events,
            EventPlace{*sellers[i], *skus[i], *warehouses[i], to_number(versions[i])},
            EventRow{*kinds[i], to_number(on_hand[i]), to_number(reserved[i]), to_number(shortfall[i]),
                     *causes[i], orders[i], *from_rfc3339(*times[i])},
            "stock_event");
        ++call.answer.affected;
    }
}

template <class Visit>
void each_reservation(Call& call, const Text& seller, const Text& order, const Text& line,
                      const Visit& visit) {
    auto& slots = call.database.reservations.slots();
    for (auto at = slots.lower_bound(ReservationPlace{seller, order, line, ""}); at != slots.end(); ++at) {
        const auto& [its_seller, its_order, its_line, warehouse] = at->first;
        if (its_seller != seller || its_order != order || its_line != line) break;
        if (Reservations::visible(at->second, &call.work) != nullptr) visit(at->second);
    }
}

void lock_reservations(Call& call) {
    const auto sellers = call.list(0), orders = call.list(1), lines = call.list(2);
    std::vector<Reservations::Slot*> seen;
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        each_reservation(call, *sellers[i], *orders[i], *lines[i],
                         [&](Reservations::Slot& slot) { seen.push_back(&slot); });
    }
    for (auto* slot : seen) {
        const auto* row = call.is(Mutation::release_from_snapshot)
                              ? Reservations::visible(*slot, &call.work)
                              : call.database.lock_seen(call.work, call.database.reservations, slot);
        if (row == nullptr) continue;
        const auto& [seller, order, line, warehouse] = *slot->key;
        call.row(seller, order, line, warehouse, row->sku, row->reserved, row->open, row->dispatched,
                 row->released, row->returned);
    }
}

void set_reservations(Call& call) {
    const auto sellers = call.list(0), orders = call.list(1), lines = call.list(2), warehouses = call.list(3),
               open = call.list(4), dispatched = call.list(5), released = call.list(6),
               returned = call.list(7);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        auto* slot = call.database.seen(call.work, call.database.reservations,
                                        ReservationPlace{*sellers[i], *orders[i], *lines[i], *warehouses[i]});
        auto* row = call.database.lock_seen(call.work, call.database.reservations, slot);
        if (row == nullptr) continue;
        row->open = to_number(open[i]);
        row->dispatched = to_number(dispatched[i]);
        row->released = to_number(released[i]);
        row->returned = to_number(returned[i]);
        check(*row);
        ++call.answer.affected;
    }
}

/// As PostgreSQL prints a timestamptz under UTC.
MaybeText printed(const std::optional<Timestamp>& time) {
    if (!time) return std::nullopt;
    auto text = to_rfc3339(*time);
    text[10] = ' ';
    text.pop_back();
    return text + "+00";
}

void lock_positions(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1);
    std::vector<Positions::Slot*> seen;
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        const auto of_offer = positions_of(call, *sellers[i], *skus[i]);
        seen.insert(seen.end(), of_offer.begin(), of_offer.end());
    }
    for (auto* slot : seen) {
        auto* row = call.database.lock_seen(call.work, call.database.positions, slot);
        if (row == nullptr) continue;
        row->last_taken = 0;
        const auto& [seller, sku, warehouse] = *slot->key;
        call.row(seller, sku, warehouse, row->on_hand, row->reserved, row->shortfall, row->version,
                 printed(row->counted_at));
    }
}

void set_positions(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1), warehouses = call.list(2), on_hand = call.list(3),
               reserved = call.list(4), shortfall = call.list(5), versions = call.list(6),
               counted = call.list(7);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        auto* slot = call.database.seen(call.work, call.database.positions,
                                        Position{*sellers[i], *skus[i], *warehouses[i]});
        auto* row = call.database.lock_seen(call.work, call.database.positions, slot);
        if (row == nullptr) continue;
        row->on_hand = to_number(on_hand[i]);
        row->reserved = to_number(reserved[i]);
        row->shortfall = to_number(shortfall[i]);
        row->version = to_number(versions[i]);
        row->counted_at = counted[i] ? from_rfc3339(*counted[i]) : std::nullopt;
        check(*row);
        ++call.answer.affected;
    }
}

template <class Visit>
void each_event(Call& call, const Visit& visit) {
    const auto& slots = call.database.events.slots();
    for (auto at = slots.lower_bound(EventPlace{call.text(0), call.text(1), call.text(2), 0});
         at != slots.end(); ++at) {
        const auto& [seller, sku, warehouse, version] = at->first;
        if (seller != call.text(0) || sku != call.text(1) || warehouse != call.text(2)) break;
        const auto* row = Table<EventPlace, EventRow>::visible(at->second, &call.work);
        if (row != nullptr) visit(version, *row);
    }
}

void physical_since(Call& call) {
    const auto since = *from_rfc3339(call.text(3));
    Number sum = 0;
    each_event(call, [&](Number, const EventRow& row) {
        if (row.kind != "reservation" && row.kind != "release" && row.occurred_at > since)
            sum += row.on_hand - row.shortfall;
    });
    call.row(sum);
}

void newest_promised(Call& call) {
    std::vector<std::pair<Number, Text>> promised;
    each_event(call, [&](Number version, const EventRow& row) {
        if (row.kind == "reservation") promised.emplace_back(version, *row.order_id);
    });
    std::reverse(promised.begin(), promised.end());
    promised.resize(std::min(promised.size(), static_cast<std::size_t>(call.number(3))));
    for (const auto& [version, order] : promised) {
        Number open = 0;
        for (const auto& [key, slot] : call.database.reservations.slots()) {
            const auto* row = Reservations::visible(slot, &call.work);
            const auto& [seller, its_order, line, warehouse] = key;
            if (row != nullptr && seller == call.text(0) && its_order == order && row->sku == call.text(1) &&
                warehouse == call.text(2))
                open += row->open;
        }
        call.row(order, open);
    }
}

constexpr postgres::Statement to_reservations{query::new_reservations.name, query::new_reservations.columns};
constexpr postgres::Statement to_events{query::new_events.name, query::new_events.columns};

constexpr Modelled statements[] = {
    {&query::read_positions, 3433419464, read_positions},
    {&query::insert_positions, 2272228633, insert_positions, true, 3},
    {&query::take_units, 1357605846, take_units, true, 3},
    {&query::set_reserved, 2827117620, set_reserved, true, 3},
    {&to_reservations, 2301978228, new_reservations},
    {&to_events, 788003264, new_events},
    {&query::lock_reservations, 2927675890, lock_reservations, true, 3},
    {&query::set_reservations, 2923047326, set_reservations, true, 4},
    {&query::lock_positions, 1929291122, lock_positions, true, 2},
    {&query::set_positions, 800627140, set_positions, true, 3},
    {&query::physical_since, 145495553, physical_since},
    {&query::newest_promised, 3966637944, newest_promised},
};

}  // namespace

std::span<const Modelled> stock_statements() {
    return statements;
}

}  // namespace cartwright::model
