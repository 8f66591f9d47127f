// A seller's tags, as the catalogue stores them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cartwright::catalogue {

/// "a, b,,c" is a, b and c: blanks around a tag do not count, nor do empty ones.
std::vector<std::string> split_tags(std::string_view list);

}  // namespace cartwright::catalogue
