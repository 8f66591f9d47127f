// How many rounds a race has: CARTWRIGHT_ROUNDS=10000 runs more than the ordinary number.
#pragma once

#include <cstdlib>

namespace cartwright::tests {

inline int rounds_or(int ordinarily) {
    const auto* asked = std::getenv("CARTWRIGHT_ROUNDS");
    return asked == nullptr || *asked == '\0' ? ordinarily : std::atoi(asked);
}

}  // namespace cartwright::tests
