// How enumerations are spelt in JSON. The index of a name is the value of its enumerator.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "common/message/event.hpp"

namespace cartwright::codec {

inline constexpr std::array<std::string_view, 3> policy_names{"all_or_nothing", "partial", "hold"};
inline constexpr std::array<std::string_view, 6> movement_names{"receipt",  "count",   "adjustment",
                                                                "dispatch", "release", "return"};
inline constexpr std::array<std::string_view, 2> status_names{"applied", "rejected"};

static_assert(static_cast<std::size_t>(ShortagePolicy::hold) + 1 == policy_names.size());
static_assert(static_cast<std::size_t>(message::MovementKind::restock) + 1 == movement_names.size());

inline std::string_view name_of(ShortagePolicy policy) {
    return policy_names.at(static_cast<std::size_t>(policy));
}
inline std::string_view name_of(message::MovementKind kind) {
    return movement_names.at(static_cast<std::size_t>(kind));
}

}  // namespace cartwright::codec
