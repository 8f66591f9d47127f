#include "common/config/secret.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdlib>
#include <variant>

#include "common/config/file.hpp"

namespace cartwright::config {

namespace {

constexpr std::size_t secret_bytes_max = 65'536;
constexpr Position not_in_the_file{0, 0};

std::string variable_or_empty(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

std::optional<std::string> secret_from_environment(const std::string& variable, Problems& problems) {
    const std::string file_variable = variable + "_FILE";
    std::string direct = variable_or_empty(variable);
    const std::string path = variable_or_empty(file_variable);
    if (!direct.empty() && !path.empty()) {
        problems.add(not_in_the_file, fmt::format("environment: {} and {} are both set; unset one of them",
                                                  variable, file_variable));
        return std::nullopt;
    }
    if (!direct.empty()) return direct;
    if (path.empty()) return std::nullopt;
    auto content = read_file(path, secret_bytes_max);
    if (const auto* trouble = std::get_if<Unreadable>(&content)) {
        problems.add(not_in_the_file,
                     fmt::format("environment: {} names '{}', which cannot be read ({}); name a "
                                 "file that this user may read",
                                 file_variable, path, trouble->reason));
        return std::nullopt;
    }
    std::string secret = std::get<std::string>(std::move(content));
    if (secret.ends_with('\n')) secret.pop_back();
    if (secret.ends_with('\r')) secret.pop_back();
    return secret;
}

}  // namespace cartwright::config
