#include "tests/load/market.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "common/codec/decode.hpp"

using namespace cartwright;
using load::Market;
using load::Mix;

TEST_CASE("an order id says which cart of which run it is") {
    Mix mix;
    std::set<std::string> ids;
    for (const std::uint64_t index : {0ULL, 1ULL, 2ULL, 999'999ULL, 1ULL << 40}) {
        const auto id = load::order_id(mix, index);
        CHECK(load::index_of(mix, id) == index);
        ids.insert(id);
    }
    CHECK(ids.size() == 5);
    Mix other = mix;
    other.run = 2;
    CHECK_FALSE(load::index_of(other, *ids.begin()).has_value());
    CHECK_FALSE(load::index_of(mix, "o1").has_value());
}

TEST_CASE("carts are events as the fleet reads them, three lines of two sellers on average") {
    Mix mix;
    Market market(mix);
    codec::Decoder decoder(codec::Limits{});
    constexpr int carts = 3'000;
    std::size_t lines = 0, messages = 0;
    for (int i = 0; i < carts; ++i) {
        const auto cart = market.next();
        const auto decoded = decoder.decode(cart.json);
        REQUIRE(decoded.size() == 1);
        const auto* event = std::get_if<message::Event>(&decoded.front().content);
        REQUIRE(event != nullptr);
        const auto& submitted = std::get<message::CartSubmitted>(event->payload).cart;
        CHECK(submitted.order_id.str() == cart.order_id);
        CHECK(submitted.lines.size() == cart.lines.size());
        lines += cart.lines.size();
        messages += cart.messages;
    }
    CHECK(static_cast<double>(lines) / carts == doctest::Approx(3).epsilon(0.05));
    CHECK(static_cast<double>(messages) / carts == doctest::Approx(2.1).epsilon(0.1));
}

TEST_CASE("what is special about a mix shows in its carts") {
    Mix mix;
    SUBCASE("a hot SKU") {
        mix.hot = true;
        Market market(mix);
        for (int i = 0; i < 500; ++i) CHECK(market.next().lines.front().offer == 0);
    }
    SUBCASE("sold-out SKUs in the head") {
        mix.sold_out = 3;
        const std::set<std::size_t> empty{0, 7'919, 15'838};  // as scripts/lib/bench/market.py leaves them
        Market market(mix);
        int refused = 0;
        for (int i = 0; i < 2'000; ++i) {
            const auto cart = market.next();
            CHECK((cart.messages == 0) == !cart.served);
            const bool wants = std::any_of(cart.lines.begin(), cart.lines.end(), [&](const load::Line& line) {
                return empty.contains(line.offer);
            });
            CHECK(wants == !cart.served);
            refused += cart.served ? 0 : 1;
        }
        CHECK(refused > 100);
    }
    SUBCASE("four sellers") {
        mix.four_sellers = 1;
        Market market(mix);
        for (int i = 0; i < 500; ++i) CHECK(market.next().messages == 4);
    }
    SUBCASE("sellers that are elsewhere") {
        mix.elsewhere = mix.sellers;
        Market market(mix);
        for (int i = 0; i < 500; ++i) CHECK(market.next().messages == 0);
    }
    SUBCASE("one SKU only") {
        mix.skus = mix.sellers = 1;
        Market market(mix);
        for (int i = 0; i < 100; ++i) CHECK(market.next().lines.size() == 1);
    }
}
