// Rule files in tests: texts become a.yaml, b.yaml and so on.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/rules_file.hpp"

/// Failed comparisons show the lines.
template <>
struct doctest::StringMaker<std::vector<std::string>> {
    static String convert(const std::vector<std::string>& lines) {
        std::string text;
        for (const auto& line : lines) text += "\n    " + line;
        return text.c_str();
    }
};

namespace rules_example {

using Lines = std::vector<std::string>;

/// Secrets without their arithmetic: "whsec_" and at least one byte.
inline std::optional<std::string> key(std::string_view secret) {
    if (!secret.starts_with("whsec_") || secret.size() == 6) return std::nullopt;
    return std::string(secret.substr(6));
}

inline cartwright::config::LoadedRules load(
    const Lines& texts, cartwright::config::Secrets secrets = cartwright::config::Secrets::read) {
    setenv("RULES_TEST_SECRET", "whsec_the key", 1);
    std::vector<cartwright::config::RulesText> files;
    for (const auto& text : texts)
        files.push_back({std::string(1, static_cast<char>('a' + files.size())) + ".yaml", text});
    return cartwright::config::load_rules(files, key, secrets);
}

inline Lines problems(const Lines& texts) {
    return load(texts).problems;
}

}  // namespace rules_example
