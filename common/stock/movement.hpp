// How stock moves. Pure; the caller holds the locks on the reservation rows and the position.
//
// physical = on_hand - shortfall is what lies there. Receipt, return, adjustment and count change it,
// dispatch lowers it together with what is reserved, release lowers what is reserved. After each, on_hand =
// max(physical, reserved) and shortfall = on_hand - physical, so that 0 <= reserved <= on_hand always holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/message/event.hpp"
#include "common/order/time.hpp"

namespace cartwright::stock {

struct Position {
    std::int64_t on_hand = 0;
    std::int64_t reserved = 0;
    std::int64_t shortfall = 0;
    std::int64_t version = 0;
    std::optional<Timestamp> counted_at;  ///< when the newest applied count was taken

    std::int64_t physical() const { return on_hand - shortfall; }
    std::int64_t available() const { return on_hand - reserved; }
    bool operator==(const Position&) const = default;
};

struct Reservation {
    std::int64_t reserved = 0;
    std::int64_t open = 0;
    std::int64_t dispatched = 0;
    std::int64_t released = 0;
    std::int64_t returned = 0;
    bool operator==(const Reservation&) const = default;
};

struct Change {
    message::MovementKind kind = message::MovementKind::receipt;
    std::int64_t quantity = 0;   ///< adjustment: signed; count: the absolute figure
    std::int64_t unreserve = 0;  ///< dispatch, release: units that leave the reservation
    Timestamp occurred_at;
    std::int64_t physical_since =
        0;  ///< count: what moved physically after it was taken and is already applied
};

/// What a change did to a position: the three deltas of its ledger row.
struct Deltas {
    std::int64_t on_hand = 0;
    std::int64_t reserved = 0;
    std::int64_t shortfall = 0;
    std::int64_t physical() const { return on_hand - shortfall; }
    bool operator==(const Deltas&) const = default;
};

/// Applies the change, raises the version by one and returns the deltas. A change that happened before the
/// position's last count leaves physical stock alone. Nothing when it is a request that can't be granted: an
/// adjustment to below zero; the position is then untouched.
std::optional<Deltas> apply(Position& position, const Change& change);

/// Moves up to `quantity` open units to dispatched; returns how many.
std::int64_t dispatch(Reservation& reservation, std::int64_t quantity);
/// Moves up to `quantity` open units to released; returns how many.
std::int64_t release(Reservation& reservation, std::int64_t quantity);
/// Moves up to `quantity` dispatched units, not yet returned, to returned; returns how many.
std::int64_t restock(Reservation& reservation, std::int64_t quantity);

}  // namespace cartwright::stock
