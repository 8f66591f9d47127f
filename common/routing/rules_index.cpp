#include "common/routing/rules_index.hpp"

#include <limits>
#include <tuple>

#include "common/outcome/trouble.hpp"

namespace cartwright::routing {
namespace {

/// In how many rules a pattern of a field stands.
class Popularity {
  public:
    explicit Popularity(const std::vector<const Match*>& matches) {
        for (const auto* match : matches) {
            for (std::size_t field = 0; field < fields_count; ++field) {
                for (const auto& pattern : patterns_of(*match, static_cast<Field>(field)))
                    ++rules_[field][pattern.prefix ? pattern.text + '*' : pattern.text];
            }
        }
    }

    /// The condition of a rule whose most popular pattern is the least popular; whole texts before
    /// beginnings.
    std::optional<Field> most_selective(const Match& match) const {
        std::optional<Field> best;
        auto best_rank = std::tuple(std::numeric_limits<std::size_t>::max(), true);
        for (std::size_t i = 0; i < fields_count; ++i) {
            const auto field = static_cast<Field>(i);
            if (!decides(match, field)) continue;
            const auto found = rank(match, field);
            if (best && found >= best_rank) continue;
            best = field;
            best_rank = found;
        }
        return best;
    }

  private:
    std::tuple<std::size_t, bool> rank(const Match& match, Field field) const {
        std::size_t most = 0;
        bool prefix = false;
        for (const auto& pattern : patterns_of(match, field)) {
            const auto& rules = rules_[static_cast<std::size_t>(field)];
            most = std::max(most, rules.at(pattern.prefix ? pattern.text + '*' : pattern.text));
            prefix = prefix || pattern.prefix;
        }
        return {most, prefix};
    }

    std::array<std::unordered_map<std::string, std::size_t>, fields_count> rules_;
};

}  // namespace

const std::vector<Pattern>& patterns_of(const Match& match, Field field) {
    switch (field) {
        case Field::seller:
            return match.seller;
        case Field::sku:
            return match.sku;
        case Field::stream:
            return match.stream;
        case Field::category:
            return match.category;
        case Field::warehouse:
            return match.warehouse;
        case Field::tag:
            return match.tag;
        case Field::region:
            return match.region;
        case Field::channel:
            return match.channel;
        case Field::currency:
            return match.currency;
    }
    CARTWRIGHT_ASSERT(false);
    return match.seller;
}

bool is_list(Field field) {
    return field == Field::tag || field == Field::sku || field == Field::category ||
           field == Field::warehouse;
}

bool decides(const Match& match, Field field) {
    const auto& patterns = patterns_of(match, field);
    const bool any_text = std::any_of(patterns.begin(), patterns.end(), [](const Pattern& pattern) {
        return pattern.prefix && pattern.text.empty();
    });
    return !patterns.empty() && (is_list(field) || !any_text);
}

void RulesIndex::Table::add(const Pattern& pattern, Rule rule) {
    auto& rules = (pattern.prefix ? beginnings : whole)[pattern.text];
    if (rules.empty() || rules.back() != rule) rules.push_back(rule);
    if (!pattern.prefix) return;
    const auto length = std::lower_bound(lengths.begin(), lengths.end(), pattern.text.size());
    if (length == lengths.end() || *length != pattern.text.size())
        lengths.insert(length, pattern.text.size());
}

RulesIndex::RulesIndex(const std::vector<const Match*>& matches) : size_(matches.size()) {
    CARTWRIGHT_ASSERT(size_ <= std::numeric_limits<Rule>::max());
    const Popularity popularity(matches);
    for (std::size_t i = 0; i < matches.size(); ++i) {
        const auto rule = static_cast<Rule>(i);
        const auto field = popularity.most_selective(*matches[i]);
        if (!field) {
            others_.push_back(rule);
            continue;
        }
        for (const auto& pattern : patterns_of(*matches[i], *field))
            tables_[static_cast<std::size_t>(*field)].add(pattern, rule);
    }
}

std::size_t RulesIndex::count(Field field, std::string_view value) const {
    std::size_t rules = 0;
    tables_[static_cast<std::size_t>(field)].each(value, [&](const auto& some) { rules += some.size(); });
    return rules;
}

}  // namespace cartwright::routing
