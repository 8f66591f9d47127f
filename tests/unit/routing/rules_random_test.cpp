// Rules against a reference that reads them plainly: random rule sets and messages.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "common/routing/rules.hpp"

using namespace cartwright;
using namespace cartwright::routing;

namespace {

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

RuleSet random_rules(Chance& chance, std::size_t rules_max) {
    RuleSet rules;
    for (std::size_t i = chance.below(rules_max); i > 0; --i)
        rules.streams.push_back(
            {"s" + std::to_string(i), chance.match(true), StreamName("to-" + std::to_string(i))});
    for (std::size_t i = chance.below(rules_max); i > 0; --i)
        rules.deliveries.push_back(
            {"d" + std::to_string(i), chance.match(false), chance.one_in(2) ? "own" : "shared"});
    return rules;
}

template <class Rule>
std::vector<Covered> plainly_covered(const std::vector<Rule>& rules) {
    std::vector<Covered> found;
    for (std::size_t later = 0; later < rules.size(); ++later) {
        for (std::size_t earlier = 0; earlier < later; ++earlier) {
            if (!covers(rules[earlier].match, rules[later].match)) continue;
            found.push_back({later, earlier});
            break;
        }
    }
    return found;
}

void compare(const Rules& rules, const Facts& message) {
    const auto& set = rules.set();
    const auto stream = std::find_if(set.streams.begin(), set.streams.end(),
                                     [&](const auto& rule) { return plainly(rule.match, message); });
    REQUIRE(rules.choose_stream(message).rule == (stream == set.streams.end() ? nullptr : &*stream));
    const auto delivery = std::find_if(set.deliveries.begin(), set.deliveries.end(), [&](const auto& rule) {
        return plainly(rule.match.seller, {message.seller}) && plainly(rule.match.stream, {message.region});
    });
    const auto chosen = rules.choose_destination(message.seller, message.region);
    REQUIRE(chosen.rule == (delivery == set.deliveries.end() ? nullptr : &*delivery));
    REQUIRE(chosen.destination->name == (chosen.rule == nullptr ? "shared" : chosen.rule->destination));
}

/// Rules that name what no message has, in every way that an index has to tell apart.
RuleSet rules_about_others(std::size_t count) {
    RuleSet set;
    const auto text = [](std::string value, bool prefix = false) {
        return std::vector<Pattern>{{std::move(value), prefix}};
    };
    for (std::size_t i = 0; i < count; ++i) {
        const auto number = std::to_string(i);
        Match match;
        if (i % 4 == 0) match = {.seller = text("other-" + number)};
        if (i % 4 == 1) match = {.seller = text("s1"), .sku = text("other-" + number)};
        if (i % 4 == 2) match = {.sku = text("other-" + number + "-", true)};
        if (i % 4 == 3) match = {.currency = text("BRL"), .category = text("other-" + number)};
        set.streams.push_back({"s" + number, match, StreamName("x")});
        Match delivery{.seller = text(i % 2 == 0 ? "other-" + number : "s1")};
        if (i % 2 == 1) delivery.stream = text("other-" + number, i % 4 == 1);
        set.deliveries.push_back({"d" + number, delivery, "own"});
    }
    return set;
}

/// Nanoseconds of both choices together; the least of several runs, so that whatever else the machine does
/// hardly counts.
double choosing_ns(const Rules& rules, const Facts& message) {
    using Clock = std::chrono::steady_clock;
    auto best = Clock::duration::max();
    std::size_t found = 0;
    for (int run = 0; run < 20; ++run) {
        const auto begin = Clock::now();
        for (int i = 0; i < 200; ++i) {
            found += rules.choose_stream(message).rule != nullptr ? 1U : 0U;
            found += rules.choose_destination("s1", "main").rule != nullptr ? 1U : 0U;
        }
        best = std::min(best, Clock::now() - begin);
    }
    CHECK(found == 0);
    return std::chrono::duration<double, std::nano>(best).count() / 200;
}

}  // namespace

TEST_CASE("whatever the rules, the index chooses as the plain reading does") {
    for (unsigned seed = 0; seed < 4'000; ++seed) {
        CAPTURE(seed);
        Chance chance(seed);
        const Rules rules(random_rules(chance, 12));
        for (int i = 0; i < 40; ++i) compare(rules, chance.message());
    }
    for (unsigned seed = 0; seed < 50; ++seed) {
        CAPTURE(seed);
        Chance chance(seed);
        const Rules rules(random_rules(chance, 400));
        for (int i = 0; i < 400; ++i) compare(rules, chance.message());
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

TEST_CASE("whatever the rules, those that are never reached are found as by comparing all") {
    std::size_t found = 0;
    for (unsigned seed = 0; seed < 2'000; ++seed) {
        CAPTURE(seed);
        Chance chance(seed);
        const auto rules = random_rules(chance, 30);
        REQUIRE(covered(rules.streams) == plainly_covered(rules.streams));
        REQUIRE(covered(rules.deliveries) == plainly_covered(rules.deliveries));
        found += covered(rules.streams).size() + covered(rules.deliveries).size();
    }
    CHECK(found > 1'000);
}

TEST_CASE("a choice costs about the same among ten rules about others and among ten thousand") {
    Facts message;
    message.seller = "s1";
    message.currency = "BRL";
    message.skus = {"mug-1", "cup-2"};
    message.categories = {"china", "glass"};
    const auto few = choosing_ns(Rules(rules_about_others(10)), message);
    const auto many = choosing_ns(Rules(rules_about_others(10'000)), message);
    CHECK_MESSAGE(many < 20 * few, "ten rules: ", few, " ns, ten thousand: ", many, " ns");
}
