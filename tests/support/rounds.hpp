// How many rounds a race has: CARTWRIGHT_ROUNDS=10000 runs more than the ordinary number.
#pragma once

#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace cartwright::tests {

/// A multiple of a hundred.
inline int rounds_or(int ordinarily) {
    const auto* asked = std::getenv("CARTWRIGHT_ROUNDS");
    const std::string_view text = asked == nullptr ? "" : asked;
    if (text.empty()) return ordinarily;
    int rounds = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), rounds);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || rounds < 100 || rounds % 100 != 0)
        throw std::runtime_error("CARTWRIGHT_ROUNDS is a number of rounds, a multiple of 100");
    return rounds;
}

}  // namespace cartwright::tests
