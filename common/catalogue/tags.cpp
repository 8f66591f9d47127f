#include "common/catalogue/tags.hpp"

namespace cartwright::catalogue {

std::vector<std::string> split_tags(std::string_view list) {
    std::vector<std::string> tags;
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        std::string_view tag = list.substr(0, comma);
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
        const std::size_t first = tag.find_first_not_of(' ');
        if (first == std::string_view::npos) continue;
        tag = tag.substr(first, tag.find_last_not_of(' ') - first + 1);
        tags.emplace_back(tag);
    }
    return tags;
}

}  // namespace cartwright::catalogue
