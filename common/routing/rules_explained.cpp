// What a rule wants in words, and which rule leaves nothing to a later one.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/routing/rules.hpp"
#include "common/routing/rules_index.hpp"

namespace cartwright::routing {
namespace {

constexpr std::size_t shown_max = 8;

/// The first few, each once.
std::string listed(const std::vector<std::string>& texts, std::string_view conjunction) {
    std::vector<std::string> different;
    for (const auto& text : texts) {
        if (std::find(different.begin(), different.end(), text) != different.end()) continue;
        if (different.size() == shown_max) {
            different.emplace_back("…");
            break;
        }
        different.push_back(text.empty() ? "nothing" : text);
    }
    return fmt::format("{}", fmt::join(different, conjunction));
}

std::string shown(const std::vector<Pattern>& patterns) {
    std::vector<std::string> texts;
    for (const auto& pattern : patterns) texts.push_back(pattern.text + (pattern.prefix ? "*" : ""));
    return listed(texts, " or ");
}

bool any(const std::vector<Pattern>& patterns, std::string_view value) {
    return patterns.empty() || std::any_of(patterns.begin(), patterns.end(),
                                           [&](const Pattern& pattern) { return pattern.matches(value); });
}

std::string one_is_not(const char* name, const std::vector<Pattern>& patterns, std::string_view value) {
    if (any(patterns, value)) return {};
    return fmt::format("{} is {}, not {}", name, value.empty() ? "not given" : value, shown(patterns));
}

std::string none_is(const char* name, const std::vector<Pattern>& patterns,
                    const std::vector<std::string_view>& values) {
    const bool held = patterns.empty() || std::any_of(values.begin(), values.end(),
                                                      [&](auto value) { return any(patterns, value); });
    if (held) return {};
    if (values.empty()) return fmt::format("it has no {}; {} was asked for", name, shown(patterns));
    return fmt::format("no {} is {}; it has {}", name, shown(patterns),
                       listed({values.begin(), values.end()}, ", "));
}

bool covers(const Pattern& earlier, const Pattern& later) {
    if (earlier.prefix) return later.text.starts_with(earlier.text);
    return !later.prefix && later.text == earlier.text;
}

/// Whatever the later condition lets pass the earlier one does too.
bool covers(const Match& earlier, const Match& later, Field field) {
    if (!decides(earlier, field)) return true;
    const auto& wide = patterns_of(earlier, field);
    const auto& narrow = patterns_of(later, field);
    return !narrow.empty() && std::all_of(narrow.begin(), narrow.end(), [&](const Pattern& one) {
        // Lists that begin alike are common.
        const auto position = static_cast<std::size_t>(&one - narrow.data());
        if (position < wide.size() && covers(wide[position], one)) return true;
        return std::any_of(wide.begin(), wide.end(),
                           [&](const Pattern& other) { return covers(other, one); });
    });
}

}  // namespace

std::string why_not(const Match& match, const Facts& facts) {
    for (auto&& why :
         {one_is_not("seller", match.seller, facts.seller), one_is_not("region", match.region, facts.region),
          none_is("tag", match.tag, facts.tags), one_is_not("channel", match.channel, facts.channel),
          one_is_not("currency", match.currency, facts.currency), none_is("sku", match.sku, facts.skus),
          none_is("category", match.category, facts.categories),
          none_is("warehouse", match.warehouse, facts.warehouses)}) {
        if (!why.empty()) return why;
    }
    if (match.value_minor_from && facts.value_minor < *match.value_minor_from)
        return fmt::format("value_minor is {}, below {}", facts.value_minor, *match.value_minor_from);
    if (match.value_minor_to && facts.value_minor > *match.value_minor_to)
        return fmt::format("value_minor is {}, above {}", facts.value_minor, *match.value_minor_to);
    return {};
}

std::string why_not(const Match& match, std::string_view seller, std::string_view stream) {
    auto why = one_is_not("seller", match.seller, seller);
    return why.empty() ? one_is_not("stream", match.stream, stream) : why;
}

bool covers(const Match& earlier, const Match& later) {
    if (earlier.value_minor_from &&
        (!later.value_minor_from || *later.value_minor_from < *earlier.value_minor_from))
        return false;
    if (earlier.value_minor_to && (!later.value_minor_to || *later.value_minor_to > *earlier.value_minor_to))
        return false;
    for (std::size_t field = 0; field < fields_count; ++field) {
        if (!covers(earlier, later, static_cast<Field>(field))) return false;
    }
    return true;
}

}  // namespace cartwright::routing
