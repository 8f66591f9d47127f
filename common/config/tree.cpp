#include "common/config/tree.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "common/config/config.hpp"
#include "common/config/nearest.hpp"

namespace cartwright::config {

void Tree::named(const Node& node, const std::string& what, const std::function<void(const Entry&)>& read) {
    if (node.kind == NodeKind::unusable) return;
    if (node.kind != NodeKind::mapping) return complain(node, fmt::format("{} is to be a mapping", what));
    for (const auto& entry : node.entries) read(entry);
}

void Tree::mapping(const Node& node, const std::string& what, const std::vector<std::string>& known,
                   const EntryReader& read) {
    named(node, what, [&](const Entry& entry) {
        if (std::find(known.begin(), known.end(), entry.key) != known.end())
            return read(entry.key, entry.value);
        const auto meant = nearest(entry.key, known);
        problems_.add(entry.at, meant.empty() ? fmt::format("{} has no key {}; it may have {}", what,
                                                            shown(entry.key), fmt::join(known, ", "))
                                              : fmt::format("{} has no key {}; did you mean {}?", what,
                                                            shown(entry.key), meant));
    });
}

void Tree::list(const Node& node, const std::string& what, std::size_t items_max,
                const std::function<void(const Node&)>& read) {
    if (node.kind == NodeKind::unusable) return;
    if (node.kind != NodeKind::list) return complain(node, fmt::format("{} is to be a list", what));
    if (node.items.size() > items_max)
        complain(node,
                 fmt::format("{} has {} items; at most {} are taken", what, node.items.size(), items_max));
    for (std::size_t i = 0; i < std::min(items_max, node.items.size()); ++i) read(node.items[i]);
}

std::string Tree::text(const Node& node, const std::string& what, std::size_t bytes_max) {
    if (node.kind == NodeKind::unusable) return {};
    if (node.kind != NodeKind::scalar || node.text.empty() || node.text.size() > bytes_max) {
        complain(node, fmt::format("{} is to be a text of 1 to {} bytes", what, bytes_max));
        return {};
    }
    const bool control = std::any_of(node.text.begin(), node.text.end(),
                                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (control) complain(node, fmt::format("{} is to have no control characters", what));
    return control ? std::string() : node.text;
}

std::vector<std::string> Tree::texts(const Node& node, const std::string& what, std::size_t bytes_max) {
    if (node.kind == NodeKind::mapping) {
        complain(node, fmt::format("{} is to be a text or a list of texts", what));
        return {};
    }
    if (node.kind != NodeKind::list) {
        auto one = text(node, what, bytes_max);
        return one.empty() ? std::vector<std::string>{} : std::vector{std::move(one)};
    }
    if (node.items.empty())
        complain(node, fmt::format("{} is an empty list, which nothing would match; leave it out", what));
    std::vector<std::string> found;
    list(node, what, list_items_max, [&](const Node& item) {
        auto one = text(item, what, bytes_max);
        if (!one.empty()) found.push_back(std::move(one));
    });
    return found;
}

std::optional<std::int64_t> Tree::integer(const Node& node, const std::string& what, std::int64_t min,
                                          std::int64_t max) {
    if (node.kind == NodeKind::unusable) return std::nullopt;
    std::int64_t value = 0;
    const auto* end = node.text.data() + node.text.size();
    const auto read = std::from_chars(node.text.data(), end, value);
    const bool whole =
        node.kind == NodeKind::scalar && !node.quoted && read.ec == std::errc{} && read.ptr == end;
    if (!whole || value < min || value > max) {
        complain(node, fmt::format("{} is to be a whole number from {} to {}", what, min, max));
        return std::nullopt;
    }
    return value;
}

std::optional<bool> Tree::boolean(const Node& node, const std::string& what) {
    if (node.kind == NodeKind::unusable) return std::nullopt;
    if (node.kind == NodeKind::scalar && !node.quoted && (node.text == "true" || node.text == "false"))
        return node.text == "true";
    complain(node, fmt::format("{} is to be true or false", what));
    return std::nullopt;
}

}  // namespace cartwright::config
