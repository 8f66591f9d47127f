// Reads small files whole.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

namespace cartwright::config {

struct Unreadable {
    std::string reason;
};

/// The content, or why there is none (no such file, a folder, longer than `bytes_max`).
std::variant<std::string, Unreadable> read_file(const std::string& path, std::size_t bytes_max);

}  // namespace cartwright::config
