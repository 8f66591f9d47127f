#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "common/codec/encode.hpp"
#include "tests/unit/codec/random_payloads.hpp"
#include "tests/unit/codec/reading.hpp"

using namespace cartwright;
using cartwright::testing::RandomPayloads;
using codec::canonical_cart;

namespace {

Cart example() {
    Cart cart{OrderId("o-1"), "web", "BRL", false, ShortagePolicy::all_or_nothing, {}, {}};
    cart.lines.push_back({LineId("1"), Sku("mug"), std::nullopt, 2, std::nullopt});
    cart.lines.push_back({LineId("2"), Sku("cup"), SellerId("s"), 1, 250});
    return cart;
}

Cart read(std::string_view body) {
    return testing::read_as<message::CartSubmitted>(body).cart;
}

}  // namespace

TEST_CASE("the order of lines and of keys, white space and unknown fields do not matter") {
    using testing::cart_event;
    const auto one = read(cart_event(R"([{"line_id":"1","sku":"mug","quantity":2},)"
                                     R"({"line_id":"2","sku":"cup","quantity":1,"unit_price_minor":250}])"));
    const auto other = read(cart_event(
        R"([ {"unit_price_minor":250, "gift_wrap":true, "quantity":1, "sku":"c\u0075p", "line_id":"2"},
             {"quantity":2,"line_id":"1","sku":"mug","seller_id":null} ])",
        R"(,"note":"hello","paid":false,"policy":"all_or_nothing")"));
    CHECK(canonical_cart(one) == canonical_cart(other));
}

TEST_CASE("a time is the instant that it means") {
    using testing::cart_event;
    CHECK(canonical_cart(read(cart_event("[]", R"(,"placed_at":"2026-01-01T01:00:00+01:00")"))) ==
          canonical_cart(read(cart_event("[]", R"(,"placed_at":"2026-01-01T00:00:00.000Z")"))));
}

TEST_CASE("every field with a meaning makes another cart") {
    const std::vector<std::function<void(Cart&)>> changes{
        [](Cart&) {},
        [](Cart& cart) { cart.order_id = OrderId("o-2"); },
        [](Cart& cart) { cart.channel = "shop"; },
        [](Cart& cart) { cart.currency = "EUR"; },
        [](Cart& cart) { cart.paid = true; },
        [](Cart& cart) { cart.policy = ShortagePolicy::partial; },
        [](Cart& cart) { cart.policy = ShortagePolicy::hold; },
        [](Cart& cart) { cart.placed_at = Timestamp{}; },
        [](Cart& cart) { cart.placed_at = Timestamp{std::chrono::microseconds{1}}; },
        [](Cart& cart) { cart.lines.clear(); },
        [](Cart& cart) { cart.lines.pop_back(); },
        [](Cart& cart) { cart.lines.push_back(cart.lines.front()); },
        [](Cart& cart) { cart.lines[0].line_id = LineId("3"); },
        [](Cart& cart) { cart.lines[0].sku = Sku("jug"); },
        [](Cart& cart) { cart.lines[0].seller_id = SellerId("s"); },
        [](Cart& cart) { cart.lines[0].quantity = 3; },
        [](Cart& cart) { cart.lines[0].unit_price_minor = 0; },
        [](Cart& cart) { cart.lines[1].unit_price_minor = 251; },
        [](Cart& cart) { cart.lines[1].unit_price_minor.reset(); },
        [](Cart& cart) { cart.lines[1].seller_id.reset(); },
        [](Cart& cart) { cart.lines[1].seller_id = SellerId("-"); },
        [](Cart& cart) { std::swap(cart.lines[0].sku, cart.lines[1].sku); },
    };
    std::set<std::string> texts;
    for (const auto& change : changes) {
        auto cart = example();
        change(cart);
        texts.insert(canonical_cart(cart));
    }
    CHECK(texts.size() == changes.size());
}

TEST_CASE("no text can be made to look like another field") {
    auto one = example(), other = example();
    one.channel = "web;3:BRL";
    one.currency = "";
    other.channel = "web";
    other.currency = ";3:BRL";
    CHECK(canonical_cart(one) != canonical_cart(other));
    one = other = example();
    one.lines[0].sku = Sku("mug;-");
    one.lines[0].seller_id.reset();
    other.lines[0].sku = Sku("mug");
    other.lines[0].seller_id = SellerId("-;-");
    CHECK(canonical_cart(one) != canonical_cart(other));
}

TEST_CASE("any shuffle of the lines, repeated line ids too, gives the same text, and only that") {
    RandomPayloads random(11);
    std::set<std::string> texts;
    for (int round = 0; round < 2'000; ++round) {
        auto cart = random.cart();
        cart.order_id = OrderId(std::to_string(round));
        if (cart.lines.size() > 1) cart.lines[0].line_id = cart.lines[1].line_id;
        const auto text = canonical_cart(cart);
        std::shuffle(cart.lines.begin(), cart.lines.end(), random.engine());
        REQUIRE(canonical_cart(cart) == text);
        texts.insert(text);
    }
    CHECK(texts.size() == 2'000);
}
