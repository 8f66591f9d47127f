#include "common/routing/rules.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace cartwright;
using namespace cartwright::routing;

namespace {

std::vector<Pattern> texts(std::initializer_list<const char*> list) {
    std::vector<Pattern> patterns;
    for (const std::string text : list) {
        const bool prefix = text.ends_with('*');
        patterns.push_back({prefix ? text.substr(0, text.size() - 1) : text, prefix});
    }
    return patterns;
}

Facts facts() {
    Facts one;
    one.seller = "s1";
    one.region = "north";
    one.channel = "web";
    one.currency = "BRL";
    one.tags = {"fragile", "gold"};
    one.skus = {"mug-1", "cup-2"};
    one.categories = {"china", "glass"};
    one.warehouses = {"main"};
    one.value_minor = 500;
    return one;
}

/// Few values, so that rules match often, and some are the beginnings of others.
class Chance {
  public:
    explicit Chance(unsigned seed) : random_(seed) {}
    std::size_t below(std::size_t limit) { return random_() % limit; }
    bool one_in(std::size_t count) { return below(count) == 0; }

    std::string value() { return values_[below(values_.size())]; }
    std::vector<Pattern> patterns() {
        std::vector<Pattern> some;
        for (std::size_t i = 0; i <= below(3); ++i) some.push_back({value(), one_in(4)});
        return some;
    }
    Match match(bool for_streams) {
        Match one;
        for (auto* field : {&one.seller, &one.region, &one.tag, &one.channel, &one.currency, &one.sku,
                            &one.category, &one.warehouse}) {
            if (for_streams && one_in(4)) *field = patterns();
        }
        if (!for_streams && one_in(2)) one.seller = patterns();
        if (!for_streams && one_in(2)) one.stream = patterns();
        if (for_streams && one_in(6)) one.value_minor_from = below(100);
        if (for_streams && one_in(6)) one.value_minor_to = below(100);
        return one;
    }
    Facts message() {
        Facts one;
        const auto some = [&] {
            std::vector<std::string_view> list;
            for (std::size_t i = below(4); i > 0; --i) list.push_back(values_[below(values_.size())]);
            return list;
        };
        one.seller = values_[below(values_.size())];
        one.region = values_[below(values_.size())];
        one.channel = values_[below(values_.size())];
        one.currency = values_[below(values_.size())];
        one.tags = some();
        one.skus = some();
        one.categories = some();
        one.warehouses = some();
        one.value_minor = static_cast<std::int64_t>(below(100));
        return one;
    }

  private:
    std::mt19937 random_;
    std::vector<std::string> values_{"", "a", "ab", "abc", "b", "ba", "c", "x-1", "x-10", "x-2"};
};

/// The plain reading of a rule, written down once more.
bool plainly(const std::vector<Pattern>& patterns, const std::vector<std::string_view>& values) {
    if (patterns.empty()) return true;
    for (const auto value : values) {
        for (const auto& pattern : patterns) {
            const auto begin = value.substr(0, std::min(value.size(), pattern.text.size()));
            if (pattern.prefix ? begin == pattern.text : value == pattern.text) return true;
        }
    }
    return false;
}

bool plainly(const Match& match, const Facts& facts) {
    return plainly(match.seller, {facts.seller}) && plainly(match.region, {facts.region}) &&
           plainly(match.channel, {facts.channel}) && plainly(match.currency, {facts.currency}) &&
           plainly(match.tag, facts.tags) && plainly(match.sku, facts.skus) &&
           plainly(match.category, facts.categories) && plainly(match.warehouse, facts.warehouses) &&
           facts.value_minor >= match.value_minor_from.value_or(facts.value_minor) &&
           facts.value_minor <= match.value_minor_to.value_or(facts.value_minor);
}

RuleSet random_rules(Chance& chance) {
    RuleSet rules;
    for (std::size_t i = chance.below(12); i > 0; --i)
        rules.streams.push_back(
            {"s" + std::to_string(i), chance.match(true), StreamName("to-" + std::to_string(i))});
    for (std::size_t i = chance.below(12); i > 0; --i)
        rules.deliveries.push_back(
            {"d" + std::to_string(i), chance.match(false), chance.one_in(2) ? "own" : "shared"});
    return rules;
}

}  // namespace

TEST_CASE("without rules every stream is main and goes to the shared queues") {
    const Rules rules;
    CHECK(rules.choose_stream(facts()).stream == StreamName("main"));
    CHECK(rules.choose_stream(Order{}, SellerPart{}).rule == nullptr);
    CHECK(rules.choose_destination("s1", "main").destination->name == "shared");
    CHECK(rules.choose_destination("s1", "main").rule == nullptr);
    CHECK(rules.destination("own")->kind == Destination::Kind::own_queue);
    CHECK(rules.destination("other") == nullptr);
}

TEST_CASE("the first rule whose conditions all hold decides") {
    RuleSet set;
    set.streams = {
        {"dear",
         {.currency = texts({"BRL"}), .value_minor_from = 501, .value_minor_to = {}},
         StreamName("dear")},
        {"fragile", {.tag = texts({"fragile"}), .category = texts({"gla*"})}, StreamName("fragile")},
        {"all", {}, StreamName("rest")}};
    const Rules rules(set);
    CHECK(rules.choose_stream(facts()).rule->name == "fragile");
    auto dear = facts();
    dear.value_minor = 501;
    CHECK(rules.choose_stream(dear).stream == StreamName("dear"));
    auto plain = facts();
    plain.tags = {};
    CHECK(rules.choose_stream(plain).stream == StreamName("rest"));
}

TEST_CASE("an order's part is what rules match on") {
    Order order;
    order.channel = "web";
    order.currency = "BRL";
    SellerPart part{SellerId("s1"), "north", {"gold"}, {}};
    part.lines.push_back(
        {LineId("1"), Sku("mug"), "china", 2, 150, {{WarehouseId("main"), 1}, {WarehouseId("far"), 1}}});
    const auto found = facts_of(order, part);
    CHECK(found.value_minor == 300);
    CHECK(found.warehouses == std::vector<std::string_view>{"main", "far"});
    RuleSet set;
    set.streams = {{"far", {.warehouse = texts({"far"})}, StreamName("far")}};
    CHECK(Rules(set).choose_stream(order, part).stream == StreamName("far"));
}

TEST_CASE("whatever the rules, the index chooses as the plain reading does") {
    for (unsigned seed = 0; seed < 2'000; ++seed) {
        Chance chance(seed);
        const Rules rules(random_rules(chance));
        const auto& set = rules.set();
        for (int i = 0; i < 60; ++i) {
            const auto message = chance.message();
            const auto stream = std::find_if(set.streams.begin(), set.streams.end(),
                                             [&](const auto& rule) { return plainly(rule.match, message); });
            const auto chosen = rules.choose_stream(message);
            REQUIRE_MESSAGE(chosen.rule == (stream == set.streams.end() ? nullptr : &*stream), "seed ", seed);
            const auto delivery =
                std::find_if(set.deliveries.begin(), set.deliveries.end(), [&](const auto& rule) {
                    return plainly(rule.match.seller, {message.seller}) &&
                           plainly(rule.match.stream, {message.region});
                });
            const auto destination = rules.choose_destination(message.seller, message.region);
            REQUIRE(destination.rule == (delivery == set.deliveries.end() ? nullptr : &*delivery));
        }
    }
}

TEST_CASE("why a rule does not hold is told exactly when it does not") {
    for (unsigned seed = 0; seed < 3'000; ++seed) {
        Chance chance(seed);
        const auto match = chance.match(true);
        const auto message = chance.message();
        CHECK(why_not(match, message).empty() == plainly(match, message));
        CHECK(holds(match, message) == plainly(match, message));
        const auto delivery = chance.match(false);
        CHECK(why_not(delivery, message.seller, message.region).empty() ==
              holds(delivery, message.seller, message.region));
    }
    Match match;
    match.region = texts({"south", "west-*"});
    CHECK(why_not(match, facts()) == "region is north, not south or west-*");
    match.region.clear();
    match.tag = texts({"silver"});
    CHECK(why_not(match, facts()) == "no tag is silver (but fragile, gold)");
}

TEST_CASE("a rule that is covered by an earlier one never holds where that does not") {
    int covered = 0;
    for (unsigned seed = 0; seed < 20'000; ++seed) {
        Chance chance(seed);
        const bool for_streams = chance.one_in(2);
        const auto earlier = chance.match(for_streams);
        const auto later = chance.match(for_streams);
        if (!covers(earlier, later)) continue;
        ++covered;
        for (int i = 0; i < 50; ++i) {
            const auto message = chance.message();
            if (for_streams) {
                CHECK((!plainly(later, message) || plainly(earlier, message)));
            } else {
                CHECK((!holds(later, message.seller, message.region) ||
                       holds(earlier, message.seller, message.region)));
            }
        }
    }
    CHECK(covered > 500);
}

TEST_CASE("plain cases of covering are seen") {
    const auto of = [](std::vector<Pattern> sellers) {
        Match match;
        match.seller = std::move(sellers);
        return match;
    };
    CHECK(covers(Match{}, of(texts({"a"}))));
    CHECK_FALSE(covers(of(texts({"a"})), Match{}));
    CHECK(covers(of(texts({"a", "b"})), of(texts({"b"}))));
    CHECK_FALSE(covers(of(texts({"b"})), of(texts({"a", "b"}))));
    CHECK(covers(of(texts({"a*"})), of(texts({"ab", "ac*"}))));
    CHECK_FALSE(covers(of(texts({"ab"})), of(texts({"ab*"}))));
    Match from, narrower;
    from.value_minor_from = 10;
    narrower.value_minor_from = 20;
    narrower.value_minor_to = 30;
    CHECK(covers(from, narrower));
    CHECK_FALSE(covers(narrower, from));
}
