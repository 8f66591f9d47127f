#include "common/order/id.hpp"

#include <doctest/doctest.h>

#include <set>
#include <type_traits>
#include <unordered_set>

using namespace cartwright;

TEST_CASE("identifiers have 1 to 200 bytes and no control characters") {
    CHECK(is_valid_id("a"));
    CHECK(is_valid_id(" "));
    CHECK(is_valid_id("web/4711 \"x\" {}"));
    CHECK(is_valid_id("caf\xc3\xa9"));
    CHECK(is_valid_id(std::string(200, 'x')));
    CHECK_FALSE(is_valid_id(""));
    CHECK_FALSE(is_valid_id(std::string(201, 'x')));
    CHECK_FALSE(is_valid_id("a\nb"));
    CHECK_FALSE(is_valid_id("\x1f"));
    CHECK_FALSE(is_valid_id("\x7f"));
    CHECK_FALSE(is_valid_id(std::string_view("a\0b", 3)));
}

TEST_CASE("ids are ordered by their bytes, as the database orders them") {
    const std::set<Sku> sorted{Sku("b"), Sku("\xc3\xa9"), Sku("a"), Sku("B"), Sku("aa"), Sku("")};
    const std::vector<Sku> expected{Sku(""), Sku("B"), Sku("a"), Sku("aa"), Sku("b"), Sku("\xc3\xa9")};
    CHECK(std::equal(sorted.begin(), sorted.end(), expected.begin(), expected.end()));
}

TEST_CASE("ids of different kinds do not mix, and text becomes one only when it is said") {
    CHECK_FALSE(std::is_convertible_v<std::string, OrderId>);
    CHECK_FALSE(std::is_constructible_v<OrderId, SellerId>);
    CHECK_FALSE(std::is_assignable_v<SellerId&, OrderId>);
    CHECK(std::is_constructible_v<OrderId, std::string>);
}

TEST_CASE("ids are hashed and formatted as their text") {
    CHECK(std::unordered_set<OrderId>{OrderId("a"), OrderId("a"), OrderId("b")}.size() == 2);
    CHECK(fmt::format("order {:>4}|{}", OrderId("o-1"), Sku("mug")) == "order  o-1|mug");
    CHECK(OrderId().empty());
    CHECK(OrderId("o").str() == "o");
}
