#include "common/stock/movement.hpp"

#include <algorithm>

namespace cartwright::stock {

using message::MovementKind;

std::optional<Deltas> apply(Position& position, const Change& change) {
    const auto before = position;
    auto physical = position.physical();
    const bool counted_since = position.counted_at && change.occurred_at < *position.counted_at;
    if (!counted_since) {
        switch (change.kind) {
            case MovementKind::receipt:
            case MovementKind::restock:
                physical += change.quantity;
                break;
            case MovementKind::adjustment:
                if (physical + change.quantity < 0) return std::nullopt;
                physical += change.quantity;
                break;
            case MovementKind::count:
                physical = std::max<std::int64_t>(0, change.quantity + change.physical_since);
                position.counted_at = change.occurred_at;
                break;
            case MovementKind::dispatch:
                physical = std::max<std::int64_t>(0, physical - change.quantity);
                break;
            case MovementKind::release:
                break;
        }
    }
    position.reserved -= change.unreserve;
    position.on_hand = std::max(physical, position.reserved);
    position.shortfall = position.on_hand - physical;
    ++position.version;
    return Deltas{position.on_hand - before.on_hand, position.reserved - before.reserved,
                  position.shortfall - before.shortfall};
}

std::int64_t dispatch(Reservation& reservation, std::int64_t quantity) {
    const auto moved = std::min(quantity, reservation.open);
    reservation.open -= moved;
    reservation.dispatched += moved;
    return moved;
}

std::int64_t release(Reservation& reservation, std::int64_t quantity) {
    const auto moved = std::min(quantity, reservation.open);
    reservation.open -= moved;
    reservation.released += moved;
    return moved;
}

std::int64_t restock(Reservation& reservation, std::int64_t quantity) {
    const auto moved = std::min(quantity, reservation.dispatched - reservation.returned);
    reservation.returned += moved;
    return moved;
}

}  // namespace cartwright::stock
