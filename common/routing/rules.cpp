#include "common/routing/rules.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>
#include <utility>

#include "common/outcome/trouble.hpp"

namespace cartwright::routing {
namespace {

const StreamName default_stream("main");

/// What an index can be keyed by.
enum class Field : unsigned char { seller, stream, sku, category, warehouse, tag, region, channel, currency };

/// Most selective first: few rules share a seller, many a currency.
constexpr std::array fields{Field::seller, Field::sku,    Field::stream,  Field::category, Field::warehouse,
                            Field::tag,    Field::region, Field::channel, Field::currency};

const std::vector<Pattern>& patterns_of(const Match& match, Field field) {
    switch (field) {
        case Field::seller:
            return match.seller;
        case Field::stream:
            return match.stream;
        case Field::sku:
            return match.sku;
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

bool any(const std::vector<Pattern>& patterns, std::string_view value) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const Pattern& pattern) { return pattern.matches(value); });
}

bool any(const std::vector<Pattern>& patterns, const std::vector<std::string_view>& values) {
    return std::any_of(values.begin(), values.end(), [&](auto value) { return any(patterns, value); });
}

/// Which rules may hold: each stands under its most selective condition that names whole texts, or among
/// those that are always looked at.
class Index {
  public:
    template <class Rule>
    explicit Index(const std::vector<Rule>& rules) {
        for (std::size_t i = 0; i < rules.size(); ++i) add(rules[i].match, i);
    }

    /// The first rule, in order, for which `holds` says so; `values` tells the message's values of a field.
    template <class Values, class Holds>
    std::optional<std::size_t> first(const Values& values, const Holds& holds) const {
        std::vector<std::size_t> found;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            if (tables_[i].empty()) continue;
            values(fields[i], [&](std::string_view value) {
                const auto entry = tables_[i].find(value);
                if (entry != tables_[i].end())
                    found.insert(found.end(), entry->second.begin(), entry->second.end());
            });
        }
        std::sort(found.begin(), found.end());
        auto candidate = found.begin();
        auto other = others_.begin();
        while (candidate != found.end() || other != others_.end()) {
            const bool from_index =
                other == others_.end() || (candidate != found.end() && *candidate < *other);
            const auto rule = from_index ? *candidate++ : *other++;
            if (holds(rule)) return rule;
        }
        return std::nullopt;
    }

    bool empty() const { return size_ == 0; }

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using Table = std::unordered_map<std::string, std::vector<std::size_t>, Hash, std::equal_to<>>;

    void add(const Match& match, std::size_t rule) {
        ++size_;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const auto& patterns = patterns_of(match, fields[i]);
            const bool whole = !patterns.empty() && std::none_of(patterns.begin(), patterns.end(),
                                                                 [](const auto& one) { return one.prefix; });
            if (!whole) continue;
            for (const auto& pattern : patterns) {
                auto& listed = tables_[i][pattern.text];
                if (listed.empty() || listed.back() != rule) listed.push_back(rule);
            }
            return;
        }
        others_.push_back(rule);
    }

    std::array<Table, fields.size()> tables_;
    std::vector<std::size_t> others_;
    std::size_t size_ = 0;
};

void each_value(const Facts& facts, Field field, const auto& visit) {
    const auto each = [&](const std::vector<std::string_view>& values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            // Lines of one order often share a category and a warehouse.
            if (i == 0 || values[i] != values[i - 1]) visit(values[i]);
        }
    };
    switch (field) {
        case Field::seller:
            return visit(facts.seller);
        case Field::region:
            return visit(facts.region);
        case Field::channel:
            return visit(facts.channel);
        case Field::currency:
            return visit(facts.currency);
        case Field::tag:
            return each(facts.tags);
        case Field::sku:
            return each(facts.skus);
        case Field::category:
            return each(facts.categories);
        case Field::warehouse:
            return each(facts.warehouses);
        case Field::stream:
            return;
    }
}

Destination builtin(std::string_view name, Destination::Kind kind) {
    Destination destination;
    destination.name = name;
    destination.kind = kind;
    return destination;
}

RuleSet with_builtins(RuleSet set) {
    for (auto destination : {builtin(shared_destination, Destination::Kind::shared_queue),
                             builtin(own_destination, Destination::Kind::own_queue)})
        set.destinations.insert_or_assign(destination.name, destination);
    return set;
}

}  // namespace

bool Pattern::matches(std::string_view value) const {
    return prefix ? value.starts_with(text) : value == text;
}

Facts facts_of(const Order& order, const SellerPart& part) {
    Facts facts;
    facts.seller = part.seller_id.str();
    facts.region = part.region;
    facts.channel = order.channel;
    facts.currency = order.currency;
    facts.tags.assign(part.tags.begin(), part.tags.end());
    for (const auto& line : part.lines) {
        facts.skus.emplace_back(line.sku.str());
        facts.categories.emplace_back(line.category);
        for (const auto& allocation : line.allocations)
            facts.warehouses.emplace_back(allocation.warehouse.str());
    }
    facts.value_minor = total_minor(part);
    return facts;
}

struct Rules::State {
    RuleSet set;
    Index streams, deliveries;
    explicit State(RuleSet wanted)
        : set(with_builtins(std::move(wanted))), streams(set.streams), deliveries(set.deliveries) {}
};

Rules::Rules() : Rules(RuleSet{}) {}
Rules::Rules(RuleSet set) : state_(std::make_unique<State>(std::move(set))) {
    for (const auto& rule : state_->set.deliveries)
        CARTWRIGHT_ASSERT(destination(rule.destination) != nullptr);
}
Rules::~Rules() = default;
Rules::Rules(Rules&&) noexcept = default;
Rules& Rules::operator=(Rules&&) noexcept = default;

StreamChoice Rules::choose_stream(const Order& order, const SellerPart& part) const {
    if (state_->streams.empty()) return {default_stream, nullptr};
    return choose_stream(facts_of(order, part));
}

StreamChoice Rules::choose_stream(const Facts& facts) const {
    const auto& rules = state_->set.streams;
    const auto first =
        state_->streams.first([&](Field field, const auto& visit) { each_value(facts, field, visit); },
                              [&](std::size_t rule) { return holds(rules[rule].match, facts); });
    if (!first) return {default_stream, nullptr};
    return {rules[*first].stream, &rules[*first]};
}

DestinationChoice Rules::choose_destination(std::string_view seller, std::string_view stream) const {
    const auto& rules = state_->set.deliveries;
    const auto first = state_->deliveries.first(
        [&](Field field, const auto& visit) {
            if (field == Field::seller) visit(seller);
            if (field == Field::stream) visit(stream);
        },
        [&](std::size_t rule) { return holds(rules[rule].match, seller, stream); });
    if (!first) return {destination(shared_destination), nullptr};
    return {destination(rules[*first].destination), &rules[*first]};
}

const Destination* Rules::destination(std::string_view name) const {
    const auto found = state_->set.destinations.find(name);
    return found == state_->set.destinations.end() ? nullptr : &found->second;
}

const RuleSet& Rules::set() const {
    return state_->set;
}

bool holds(const Match& match, const Facts& facts) {
    const auto one = [](const std::vector<Pattern>& patterns, const auto& value) {
        return patterns.empty() || any(patterns, value);
    };
    return one(match.seller, facts.seller) && one(match.region, facts.region) &&
           one(match.channel, facts.channel) && one(match.currency, facts.currency) &&
           one(match.tag, facts.tags) && one(match.sku, facts.skus) &&
           one(match.category, facts.categories) && one(match.warehouse, facts.warehouses) &&
           (!match.value_minor_from || facts.value_minor >= *match.value_minor_from) &&
           (!match.value_minor_to || facts.value_minor <= *match.value_minor_to);
}

bool holds(const Match& match, std::string_view seller, std::string_view stream) {
    return (match.seller.empty() || any(match.seller, seller)) &&
           (match.stream.empty() || any(match.stream, stream));
}

}  // namespace cartwright::routing
