#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "common/config/config.hpp"
#include "common/config/file.hpp"
#include "common/config/rules_file.hpp"

namespace cartwright::config {
namespace {

namespace files = std::filesystem;

RulesText read_rules_file(const std::string& path) {
    std::error_code error;
    // To open a pipe would wait for its writer.
    if (files::exists(path, error) && !files::is_regular_file(path, error))
        return {path, {}, "it is no regular file"};
    auto content = read_file(path, file_bytes_max);
    if (auto* trouble = std::get_if<Unreadable>(&content)) return {path, {}, std::move(trouble->reason)};
    return {path, std::get<std::string>(std::move(content)), {}};
}

}  // namespace

std::variant<std::vector<RulesText>, std::string> read_rules_directory(const std::string& directory) {
    std::error_code error;
    std::vector<std::string> names;
    files::directory_iterator entry(directory, error);
    for (; !error && entry != files::directory_iterator(); entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (name.ends_with(".yaml") && !name.starts_with('.')) names.push_back(name);
    }
    if (error) return fmt::format("{}: the rules can't be read: {}", directory, error.message());
    if (names.size() > rules_files_max)
        return fmt::format("{}: there are more than {} rule files; put several into one", directory,
                           rules_files_max);
    std::sort(names.begin(), names.end());
    std::vector<RulesText> texts;
    std::size_t bytes = 0;
    for (const auto& name : names) {
        texts.push_back(read_rules_file((files::path(directory) / name).string()));
        bytes += texts.back().text.size();
        if (bytes > rules_bytes_max)
            return fmt::format("{}: the rules are longer than {} bytes together; take some away", directory,
                               rules_bytes_max);
    }
    return texts;
}

}  // namespace cartwright::config
