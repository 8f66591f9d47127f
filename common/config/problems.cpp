#include "common/config/problems.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/outcome/trouble.hpp"
#include "common/text/utf8.hpp"

namespace cartwright::config {

void Problems::add(Position at, std::string text) {
    found_.push_back({at, std::move(text)});
}

std::vector<std::string> Problems::lines() {
    std::stable_sort(found_.begin(), found_.end(), [](const Problem& a, const Problem& b) {
        return std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column);
    });
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < std::min(found_.size(), problems_max); ++i) {
        const auto& [at, what] = found_[i];
        lines.push_back(at.line == 0 ? what
                                     : fmt::format("{}:{}:{}: {}", file_name_, at.line, at.column, what));
    }
    if (found_.size() > problems_max)
        lines.push_back(fmt::format("{}: {} more problems", file_name_, found_.size() - problems_max));
    return lines;
}

void Problems::throw_if_any() {
    if (found_.empty()) return;
    throw outcome::StartupError(fmt::format("{}", fmt::join(lines(), "\n")));
}

std::string shown(const std::string& text) {
    constexpr std::size_t bytes_max = 80;
    std::string result = "'";
    std::size_t at = 0;
    while (at < text.size() && at < bytes_max) {
        const std::size_t length = std::max<std::size_t>(text::utf8_sequence(text, at), 1);
        const bool control = static_cast<unsigned char>(text[at]) < 0x20;
        result += control ? std::string(" ") : text.substr(at, length);
        at += length;
    }
    return result + (at < text.size() ? "…'" : "'");
}

}  // namespace cartwright::config
