#include "common/order/cart.hpp"

#include <doctest/doctest.h>

using namespace cartwright;

TEST_CASE("totals are of units times prices, over a seller's lines and over all sellers") {
    Order order;
    CHECK(total_minor(order) == 0);
    order.sellers.resize(2);
    order.sellers[0].lines.push_back({LineId("1"), Sku("a"), "", 3, 250, {}});
    order.sellers[0].lines.push_back({LineId("2"), Sku("b"), "", 1, 99, {}});
    order.sellers[1].lines.push_back({LineId("3"), Sku("c"), "", 2, 5'000'000'000, {}});
    CHECK(total_minor(order.sellers[0]) == 849);
    CHECK(total_minor(order.sellers[1]) == 10'000'000'000);
    CHECK(total_minor(order) == 10'000'000'849);
}

TEST_CASE("positions are ordered by seller, then SKU, then warehouse") {
    const PositionKey one{SellerId("a"), Sku("z"), WarehouseId("z")};
    const PositionKey two{SellerId("b"), Sku("a"), WarehouseId("b")};
    const PositionKey three{SellerId("b"), Sku("b"), WarehouseId("a")};
    CHECK(one < two);
    CHECK(two < three);
    CHECK(three == PositionKey{SellerId("b"), Sku("b"), WarehouseId("a")});
    CHECK(OfferKey{SellerId("a"), Sku("b")} < OfferKey{SellerId("b"), Sku("a")});
}
