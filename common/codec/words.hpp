// Enumerators as they are written. Internal to the codec.
#pragma once

#include "common/message/event.hpp"

namespace cartwright::codec {

constexpr const char* word_of(ShortagePolicy policy) {
    if (policy == ShortagePolicy::partial) return "partial";
    return policy == ShortagePolicy::hold ? "hold" : "all_or_nothing";
}

constexpr const char* word_of(message::MovementKind kind) {
    switch (kind) {
        case message::MovementKind::receipt:
            return "receipt";
        case message::MovementKind::count:
            return "count";
        case message::MovementKind::adjustment:
            return "adjustment";
        case message::MovementKind::dispatch:
            return "dispatch";
        case message::MovementKind::release:
            return "release";
        case message::MovementKind::restock:
            break;
    }
    return "return";
}

}  // namespace cartwright::codec
