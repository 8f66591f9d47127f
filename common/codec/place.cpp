#include "common/codec/place.hpp"

#include <fmt/format.h>

#include "common/codec/json_writer.hpp"

namespace cartwright::codec {

std::string path_of(const Place& place) {
    auto path = place.outer != nullptr ? path_of(*place.outer) : std::string();
    if (!place.name.empty()) {
        if (!path.empty()) path += '.';
        path += place.name;
    } else if (place.outer != nullptr) {
        path += fmt::format("[{}]", place.index);
    }
    return path;
}

std::string shown(std::string_view text) {
    constexpr std::size_t shown_bytes_max = 80;
    const bool whole = text.size() <= shown_bytes_max;
    std::size_t end = whole ? text.size() : shown_bytes_max;
    while (!whole && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    std::string quoted;
    append_quoted(quoted, text.substr(0, end));
    return whole ? quoted : quoted + "…";
}

}  // namespace cartwright::codec
