#include "common/routing/rules.hpp"

#include <doctest/doctest.h>

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

TEST_CASE("why a rule does not hold is told in words") {
    const auto why = [](Match match) { return why_not(match, facts()); };
    CHECK(why({}).empty());
    CHECK(why({.region = texts({"south", "west-*"})}) == "region is north, not south or west-*");
    CHECK(why({.tag = texts({"silver"})}) == "no tag is silver; it has fragile, gold");
    CHECK(why({.value_minor_from = 501, .value_minor_to = {}}) == "value_minor is 500, below 501");
    CHECK(why({.value_minor_from = {}, .value_minor_to = 499}) == "value_minor is 500, above 499");
    auto bare = facts();
    bare.region = "";
    bare.tags = {};
    bare.skus = {"1", "2", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
    CHECK(why_not({.region = texts({"south"})}, bare) == "region is not given, not south");
    CHECK(why_not({.tag = texts({"silver"})}, bare) == "it has no tag; silver was asked for");
    CHECK(why_not({.sku = texts({"x"})}, bare) == "no sku is x; it has 1, 2, 3, 4, 5, 6, 7, 8, …");
    CHECK(why_not({.stream = texts({"bulk"})}, "s1", "main") == "stream is main, not bulk");
    CHECK(why_not({.seller = texts({"s1"})}, "s1", "main").empty());
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
    CHECK(covers(of(texts({"*"})), Match{}));
    Match any_tag;
    any_tag.tag = texts({"*"});
    CHECK_FALSE(covers(any_tag, Match{}));
    CHECK(covers(Match{}, any_tag));
}

TEST_CASE("a rule that is never reached is found with the one that takes everything before it") {
    const std::vector<StreamRule> rules{
        {"a", {.seller = texts({"x", "y"})}, StreamName("a")},
        {"b", {.seller = texts({"y"}), .region = texts({"north"})}, StreamName("b")},
        {"c", {.region = texts({"no*"})}, StreamName("c")},
        {"d", {.region = texts({"north", "south"})}, StreamName("d")},
        {"e", {.seller = texts({"*"})}, StreamName("e")},
        {"f", {.tag = texts({"gold"})}, StreamName("f")},
        {"g", {.region = texts({"north"})}, StreamName("g")},
    };
    CHECK(covered(rules) == std::vector<Covered>{{1, 0}, {5, 4}, {6, 2}});
    CHECK(covered(std::vector<DeliveryRule>{}).empty());
}
