#include "common/routing/rules.hpp"

#include <algorithm>
#include <utility>

#include "common/outcome/trouble.hpp"
#include "common/routing/rules_index.hpp"

namespace cartwright::routing {
namespace {

const StreamName default_stream("main");

bool any(const std::vector<Pattern>& patterns, std::string_view value) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const Pattern& pattern) { return pattern.matches(value); });
}

bool any(const std::vector<Pattern>& patterns, const std::vector<std::string_view>& values) {
    return std::any_of(values.begin(), values.end(), [&](auto value) { return any(patterns, value); });
}

template <class Rule>
RulesIndex index_of(const std::vector<Rule>& rules) {
    std::vector<const Match*> matches;
    matches.reserve(rules.size());
    for (const auto& rule : rules) matches.push_back(&rule.match);
    return RulesIndex(matches);
}

void each_value(const Facts& facts, Field field, const auto& visit) {
    // Lines of one order often share a category and a warehouse.
    const auto each = [&](const std::vector<std::string_view>& values) {
        if (values.size() == 1) return visit(values.front());
        auto different = values;
        std::sort(different.begin(), different.end());
        different.erase(std::unique(different.begin(), different.end()), different.end());
        for (const auto value : different) visit(value);
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

/// A rule can cover a later one only if it may hold for each of that one's texts: so those it shares with the
/// fewest rules are looked up.
template <class Rule>
std::vector<Covered> covered_of(const std::vector<Rule>& rules) {
    const auto index = index_of(rules);
    std::vector<Covered> found;
    for (std::size_t later = 0; later < rules.size(); ++later) {
        const auto& match = rules[later].match;
        const auto earlier = index.first(
            later,
            [&](Field field, const auto& visit) {
                const auto& patterns = patterns_of(match, field);
                const auto rarest = std::min_element(
                    patterns.begin(), patterns.end(), [&](const Pattern& one, const Pattern& other) {
                        return index.count(field, one.text) < index.count(field, other.text);
                    });
                if (rarest != patterns.end()) visit(rarest->text);
            },
            [&](std::size_t rule) { return covers(rules[rule].match, match); });
        if (earlier) found.push_back({later, *earlier});
    }
    return found;
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
    RulesIndex streams, deliveries;
    explicit State(RuleSet wanted)
        : set(with_builtins(std::move(wanted))),
          streams(index_of(set.streams)),
          deliveries(index_of(set.deliveries)) {}
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
    const auto first = state_->streams.first(
        rules.size(), [&](Field field, const auto& visit) { each_value(facts, field, visit); },
        [&](std::size_t rule) { return holds(rules[rule].match, facts); });
    if (!first) return {default_stream, nullptr};
    return {rules[*first].stream, &rules[*first]};
}

DestinationChoice Rules::choose_destination(std::string_view seller, std::string_view stream) const {
    const auto& rules = state_->set.deliveries;
    const auto first = state_->deliveries.first(
        rules.size(),
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

std::vector<Covered> covered(const std::vector<StreamRule>& rules) {
    return covered_of(rules);
}

std::vector<Covered> covered(const std::vector<DeliveryRule>& rules) {
    return covered_of(rules);
}

}  // namespace cartwright::routing
