// Which rules may hold for a message, so that the others need not be looked at. For the matching of rules
// only.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/routing/rules.hpp"

namespace cartwright::routing {

/// What has texts to match on; where nothing else tells them apart, the most selective first.
enum class Field : unsigned char { seller, sku, stream, category, warehouse, tag, region, channel, currency };
inline constexpr std::size_t fields_count = 9;

const std::vector<Pattern>& patterns_of(const Match& match, Field field);
/// Of tag, sku, category and warehouse a message has any number, of the others exactly one.
bool is_list(Field field);
/// False when the condition holds for every message: it is absent, or `*` of what every message has.
bool decides(const Match& match, Field field);

/// Each rule stands under the patterns of the one condition that the fewest rules share; rules without such a
/// condition are always looked at.
class RulesIndex {
  public:
    /// `matches` in the order of the rules; at most 2^32 of them. Keeps nothing of them.
    explicit RulesIndex(const std::vector<const Match*>& matches);

    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }

    /// The first rule below `end` for which `holds(rule)` says so, of those that may hold.
    /// `values(field, visit)` calls `visit(text)` for each of the message's values of a field.
    template <class Values, class Holds>
    std::optional<std::size_t> first(std::size_t end, const Values& values, const Holds& holds) const {
        std::vector<Rule> found;
        for (std::size_t i = 0; i < fields_count; ++i) {
            const auto& table = tables_[i];
            if (table.empty()) continue;
            values(static_cast<Field>(i), [&](std::string_view value) {
                table.each(value,
                           [&](const auto& rules) { found.insert(found.end(), rules.begin(), rules.end()); });
            });
        }
        std::sort(found.begin(), found.end());
        auto candidate = found.begin();
        auto other = others_.begin();
        while (candidate != found.end() || other != others_.end()) {
            const bool from_table =
                other == others_.end() || (candidate != found.end() && *candidate < *other);
            const std::size_t rule = from_table ? *candidate++ : *other++;
            if (rule >= end) break;
            if (holds(rule)) return rule;
        }
        return std::nullopt;
    }

    /// How many rules stand under a value of a field.
    std::size_t count(Field field, std::string_view value) const;

  private:
    using Rule = std::uint32_t;
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using Texts = std::unordered_map<std::string, std::vector<Rule>, Hash, std::equal_to<>>;

    /// The rules of one field, by whole text and by beginning.
    struct Table {
        Texts whole, beginnings;
        std::vector<std::size_t> lengths;  ///< of the beginnings, ascending, each once
        bool empty() const { return whole.empty() && beginnings.empty(); }
        void add(const Pattern& pattern, Rule rule);
        /// Calls `visit` with each list of rules that stand under a value.
        template <class Visit>
        void each(std::string_view value, const Visit& visit) const {
            if (const auto entry = whole.find(value); entry != whole.end()) visit(entry->second);
            for (const auto length : lengths) {
                if (length > value.size()) break;
                const auto entry = beginnings.find(value.substr(0, length));
                if (entry != beginnings.end()) visit(entry->second);
            }
        }
    };

    std::array<Table, fields_count> tables_;
    std::vector<Rule> others_;
    std::size_t size_ = 0;
};

}  // namespace cartwright::routing
