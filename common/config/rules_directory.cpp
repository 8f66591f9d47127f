#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "common/config/config.hpp"
#include "common/config/file.hpp"
#include "common/config/rules_file.hpp"

namespace cartwright::config {

std::variant<std::vector<RulesText>, std::string> read_rules_directory(const std::string& directory) {
    namespace files = std::filesystem;
    std::error_code error;
    std::vector<std::string> names;
    files::directory_iterator entry(directory, error);
    for (; !error && entry != files::directory_iterator(); entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (name.ends_with(".yaml") && !name.starts_with('.')) names.push_back(name);
    }
    if (error) return fmt::format("{}: the rules can't be read: {}", directory, error.message());
    std::sort(names.begin(), names.end());
    std::vector<RulesText> texts;
    for (const auto& name : names) {
        const auto path = (files::path(directory) / name).string();
        auto content = read_file(path, file_bytes_max);
        if (const auto* trouble = std::get_if<Unreadable>(&content))
            return fmt::format("{}:1:1: it can't be read: {}", path, trouble->reason);
        texts.push_back({path, std::get<std::string>(std::move(content))});
    }
    return texts;
}

}  // namespace cartwright::config
