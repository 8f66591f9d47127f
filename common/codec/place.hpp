// Where in a message something stands, for complaints such as "data.lines[3].quantity: …".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cartwright::codec {

/// One step of a path: a member's name or an element's index. A chain on the stack, so that it costs nothing
/// until there is something to complain about.
struct Place {
    const Place* outer = nullptr;
    std::string_view name;  ///< empty: an element of the list `outer`, or the root when there is none
    std::size_t index = 0;
};

std::string path_of(const Place& place);

/// Text from a message as a complaint shows it: in quotes, escaped, cut when long.
std::string shown(std::string_view text);

}  // namespace cartwright::codec
