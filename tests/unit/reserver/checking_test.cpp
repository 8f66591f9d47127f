#include "workers/reserver/checking.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

using namespace cartwright;
using namespace cartwright::reserver;

namespace {

catalogue::Offer offer(const char* seller, const char* sku, std::int64_t price) {
    catalogue::Offer one;
    one.seller_id = SellerId(seller);
    one.sku = Sku(sku);
    one.price_minor = price;
    one.currency = "BRL";
    one.active = true;
    one.seller_active = true;
    return one;
}

CartLine line(const char* id, const char* sku, const char* seller = nullptr,
              std::optional<std::int64_t> price = std::nullopt) {
    CartLine one;
    one.line_id = LineId(id);
    one.sku = Sku(sku);
    if (seller != nullptr) one.seller_id = SellerId(seller);
    one.quantity = 1;
    one.unit_price_minor = price;
    return one;
}

Cart cart(std::vector<CartLine> lines) {
    Cart one;
    one.order_id = OrderId("o");
    one.channel = "web";
    one.currency = "BRL";
    one.lines = std::move(lines);
    return one;
}

OffersBySku catalogue_of(std::vector<catalogue::Offer> offers) {
    std::map<Sku, std::vector<catalogue::Offer>> by_sku;
    for (auto& one : offers) by_sku[one.sku].push_back(one);
    OffersBySku result;
    for (auto& [sku, list] : by_sku)
        result.emplace(sku, std::make_shared<const std::vector<catalogue::Offer>>(list));
    return result;
}

std::vector<std::string> codes(const std::vector<Rejection>& reasons) {
    std::vector<std::string> result;
    for (const auto& reason : reasons) result.push_back(reason.code);
    return result;
}

}  // namespace

TEST_CASE("every bad line is named at once") {
    auto suspended = offer("s2", "b", 100);
    suspended.seller_active = false;
    auto inactive = offer("s1", "c", 100);
    inactive.active = false;
    auto dollars = offer("s1", "d", 100);
    dollars.currency = "USD";
    auto offers = catalogue_of({offer("s1", "a", 100), suspended, inactive, dollars, offer("s1", "e", 100)});
    offers.emplace(Sku("x"), std::make_shared<const std::vector<catalogue::Offer>>());
    const auto checked =
        check_against(cart({line("1", "x"), line("2", "a", "s9"), line("3", "b", "s2"), line("4", "c", "s1"),
                            line("5", "d", "s1"), line("6", "e", "s1", 99), line("7", "a", "s1", 100)}),
                      offers);
    CHECK(codes(checked.reasons) ==
          std::vector<std::string>{rejection::unknown_sku, rejection::seller_mismatch,
                                   rejection::seller_suspended, rejection::offer_inactive,
                                   rejection::currency_mismatch, rejection::price_changed});
    for (const auto& reason : checked.reasons) CHECK_FALSE(reason.line_id.empty());
}

TEST_CASE("a paid cart is not rejected for its price, and is sold at it") {
    auto paid = cart({line("1", "a", "s1", 80)});
    paid.paid = true;
    const auto offers = catalogue_of({offer("s1", "a", 100)});
    const auto checked = check_against(paid, offers);
    CHECK(checked.reasons.empty());
    CHECK(price_of(paid, paid.lines[0], *checked.candidates[0][0]) == 80);
    paid.paid = false;
    CHECK(price_of(paid, paid.lines[0], *checked.candidates[0][0]) == 100);
}

TEST_CASE("a total beyond 64 bits is refused, also when only the dearest candidate makes it so") {
    const auto offers =
        catalogue_of({offer("s1", "a", 1'000'000'000'000'000'000), offer("s2", "a", 1), offer("s1", "b", 9)});
    auto dear = cart({line("1", "a", "s2"), line("2", "b", "s1")});
    CHECK(check_against(dear, offers).reasons.empty());
    dear.lines[0].seller_id.reset();
    dear.lines[0].quantity = 9;
    CHECK(check_against(dear, offers).reasons.empty());
    dear.lines[0].quantity = 10;
    CHECK(codes(check_against(dear, offers).reasons) == std::vector<std::string>{rejection::total_too_large});
}

TEST_CASE("a line without a seller may be served by whoever sells it, cheapest first") {
    const auto offers = catalogue_of({offer("s1", "a", 120), offer("s2", "a", 100), offer("s3", "a", 100)});
    const auto checked = check_against(cart({line("1", "a")}), offers);
    REQUIRE(checked.candidates[0].size() == 3);
    CHECK(checked.candidates[0][0]->seller_id == SellerId("s2"));
    CHECK(checked.candidates[0][1]->seller_id == SellerId("s3"));
}

TEST_CASE("shapes that no catalogue could save") {
    const CartLimits limits{3, 10};
    CHECK(codes(check_shape(cart({}), limits)) == std::vector<std::string>{rejection::empty_cart});
    CHECK(codes(check_shape(cart({line("1", "a"), line("2", "a"), line("3", "a"), line("4", "a")}),
                            limits)) == std::vector<std::string>{rejection::too_many_lines});
    auto bad = cart({line("1", "a"), line("1", "b"), line("3", "a")});
    bad.lines[0].quantity = 0;
    bad.lines[2].quantity = 11;
    CHECK(codes(check_shape(bad, limits)) == std::vector<std::string>{rejection::quantity_invalid,
                                                                      rejection::repeated_line_id,
                                                                      rejection::quantity_invalid});
    CHECK(check_shape(cart({line("1", "a"), line("2", "a")}), limits).empty());
}
