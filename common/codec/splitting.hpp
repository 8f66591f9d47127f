// The raw texts of the elements of a JSON array, found by brackets and quotes alone.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace cartwright::codec {

/// Without white space around it.
std::string_view trimmed(std::string_view text);

/// The elements of the array that `text` is; at most `count_max` + 1 of them. Of valid JSON the result is
/// exact. Of anything else it is nothing or pieces of which each has still to be parsed.
std::optional<std::vector<std::string_view>> split_array(std::string_view text, std::size_t count_max);

}  // namespace cartwright::codec
