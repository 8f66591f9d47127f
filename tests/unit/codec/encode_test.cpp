#include "common/codec/encode.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace cartwright;
using codec::encode_data;

namespace {

Timestamp at(std::string_view text) {
    return from_rfc3339(text).value();
}

OrderLine line(const char* id, const char* category, std::int64_t quantity,
               std::vector<Allocation> allocations) {
    return {LineId(id), Sku("sku-" + std::string(id)), category, quantity, 250, std::move(allocations)};
}

Order full_order() {
    Order order;
    order.order_id = OrderId("o-1");
    order.channel = "web";
    order.currency = "BRL";
    order.paid = true;
    order.policy = ShortagePolicy::partial;
    order.placed_at = at("2026-01-31T23:59:59.5Z");
    order.sellers.push_back({SellerId("s-1"),
                             "SP",
                             {"fragile", "gift"},
                             {line("1", "kitchen", 3, {{WarehouseId("w-1"), 1}, {WarehouseId("w-2"), 2}})}});
    order.sellers.push_back({SellerId("s-2"), "", {}, {line("2", "", 1, {{WarehouseId("w-1"), 1}})}});
    order.short_lines.push_back({LineId("1"), Sku("sku-1"), SellerId("s-1"), 5, 3});
    return order;
}

message::OrderCancelled full_cancelled() {
    return {OrderId("o-1"),
            "changed \"mind\"",
            false,
            {{SellerId("s-1"), {{LineId("1"), Sku("mug"), 2}}},
             {SellerId("s-2"), {{LineId("2"), Sku("cup"), 1}}}}};
}

}  // namespace

TEST_CASE("a cart") {
    Cart cart{OrderId("o-1"), "web", "BRL", false, ShortagePolicy::hold, at("2026-01-01T00:00:00Z"), {}};
    cart.lines.push_back({LineId("1"), Sku("mug"), SellerId("s-1"), 2, 0});
    cart.lines.push_back({LineId("2"), Sku("cup"), std::nullopt, 1, std::nullopt});
    CHECK(encode_data(message::CartSubmitted{cart}) ==
          R"({"order_id":"o-1","channel":"web","currency":"BRL","paid":false,"policy":"hold",)"
          R"("placed_at":"2026-01-01T00:00:00Z","lines":[)"
          R"({"line_id":"1","sku":"mug","seller_id":"s-1","quantity":2,"unit_price_minor":0},)"
          R"({"line_id":"2","sku":"cup","quantity":1}]})");
}

TEST_CASE("an order has everything that is there and leaves out what is empty") {
    CHECK(
        encode_data(message::OrderPlaced{full_order()}) ==
        R"({"order_id":"o-1","channel":"web","currency":"BRL","paid":true,"policy":"partial",)"
        R"("placed_at":"2026-01-31T23:59:59.500000Z","total_minor":1000,"sellers":[)"
        R"({"seller_id":"s-1","region":"SP","tags":["fragile","gift"],"lines":[{"line_id":"1","sku":"sku-1",)"
        R"("category":"kitchen","quantity":3,"unit_price_minor":250,)"
        R"("allocations":[{"warehouse":"w-1","quantity":1},{"warehouse":"w-2","quantity":2}]}]},)"
        R"({"seller_id":"s-2","lines":[{"line_id":"2","sku":"sku-2","quantity":1,"unit_price_minor":250,)"
        R"("allocations":[{"warehouse":"w-1","quantity":1}]}]}],)"
        R"("short":[{"line_id":"1","sku":"sku-1","seller_id":"s-1","requested":5,"reserved":3}]})");
    Order held;
    held.order_id = OrderId("o-2");
    held.channel = "web";
    held.currency = "EUR";
    held.policy = ShortagePolicy::hold;
    held.sellers.push_back({SellerId("s"), "", {}, {line("1", "", 1, {})}});
    CHECK(encode_data(message::OrderPlaced{held}) ==
          R"({"order_id":"o-2","channel":"web","currency":"EUR","paid":false,"policy":"hold",)"
          R"("total_minor":250,)"
          R"("sellers":[{"seller_id":"s","lines":[)"
          R"({"line_id":"1","sku":"sku-1","quantity":1,"unit_price_minor":250}]}]})");
}

TEST_CASE("rejections and cancellations") {
    message::OrderRejected rejected{OrderId("o-1"), {}};
    rejected.reasons.push_back({{}, {}, rejection::empty_cart, "the cart has no lines"});
    rejected.reasons.push_back({LineId("1"), Sku("mug"), rejection::short_stock, "1 of 2"});
    CHECK(encode_data(rejected) ==
          R"({"order_id":"o-1","reasons":[{"code":"empty_cart","detail":"the cart has no lines"},)"
          R"({"line_id":"1","sku":"mug","code":"short_stock","detail":"1 of 2"}]})");
    CHECK(encode_data(full_cancelled()) ==
          R"({"order_id":"o-1","reason":"changed \"mind\"","whole":false,"sellers":[)"
          R"({"seller_id":"s-1","lines":[{"line_id":"1","sku":"mug","quantity":2}]},)"
          R"({"seller_id":"s-2","lines":[{"line_id":"2","sku":"cup","quantity":1}]}]})");
    CHECK(encode_data(message::OrderCancellation{OrderId("o"), "r", "", {}}) ==
          R"({"order_id":"o","reason":"r"})");
    CHECK(encode_data(message::OrderCancellation{OrderId("o"), "", "buyer", {{LineId("1"), 2}}}) ==
          R"({"order_id":"o","reason":"","requested_by":"buyer","lines":[{"line_id":"1","quantity":2}]})");
}

TEST_CASE("stock") {
    const PositionKey position{SellerId("s"), Sku("mug"), WarehouseId("w")};
    CHECK(encode_data(message::StockChanged{position, 10, 3, 1, 7}) ==
          R"({"seller_id":"s","sku":"mug","warehouse":"w","on_hand":10,"reserved":3,"shortfall":1,)"
          R"("available":7,"version":7})");
    CHECK(encode_data(message::StockFill{{{SellerId("s"), Sku("a")}, {SellerId("t"), Sku("b")}}}) ==
          R"({"positions":[{"seller_id":"s","sku":"a"},{"seller_id":"t","sku":"b"}]})");
    CHECK(
        encode_data(message::StockShortfall{position, 2, 8, {OrderId("o-2"), OrderId("o-1")}}) ==
        R"({"seller_id":"s","sku":"mug","warehouse":"w","shortfall":2,"version":8,"orders":["o-2","o-1"]})");
    message::StockMoved moved;
    moved.movements.push_back({message::MovementKind::adjustment,
                               SellerId("s"),
                               Sku("mug"),
                               WarehouseId("w"),
                               {},
                               {},
                               -2,
                               at("2026-01-01T00:00:00Z"),
                               "broken"});
    moved.movements.push_back({message::MovementKind::restock,
                               SellerId("s"),
                               {},
                               {},
                               OrderId("o"),
                               LineId("1"),
                               1,
                               at("2026-01-01T00:00:00Z"),
                               ""});
    CHECK(encode_data(moved) ==
          R"({"movements":[{"kind":"adjustment","seller_id":"s","sku":"mug","warehouse":"w","quantity":-2,)"
          R"("occurred_at":"2026-01-01T00:00:00Z","reason":"broken"},)"
          R"({"kind":"return","seller_id":"s","quantity":1,)"
          R"("occurred_at":"2026-01-01T00:00:00Z","order_id":"o","line_id":"1"}]})");
    CHECK(encode_data(
              message::StockApplied{EventId("e"), {{0, true, "", ""}, {1, false, "too_late", "why"}}}) ==
          R"({"event_id":"e","results":[{"index":0,"status":"applied"},)"
          R"({"index":1,"status":"rejected","code":"too_late","detail":"why"}]})");
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    CHECK(encode_data(message::StockChanged{position, least, 1, 0, 1})
              .find("\"available\":-9223372036854775808,") != std::string::npos);
}

TEST_CASE("the small ones") {
    CHECK(encode_data(message::CatalogueChanged{}) == "{}");
    CHECK(encode_data(message::CatalogueChanged{{Sku("a")}, {SellerId("s")}}) ==
          R"({"skus":["a"],"sellers":["s"]})");
    CHECK(encode_data(message::MessageParked{"malformed", "not JSON"}) ==
          R"({"reason":"malformed","detail":"not JSON"})");
}

TEST_CASE("an event around its data, with what is there of its attributes") {
    message::Envelope envelope{
        EventId("o-1/ready"), "cartwright.order.ready.v1", "cartwright/reserver", {}, {}};
    CHECK(codec::encode_event(envelope, R"({"a":1})") ==
          R"({"specversion":"1.0","id":"o-1/ready","source":"cartwright/reserver",)"
          R"("type":"cartwright.order.ready.v1","data":{"a":1}})");
    envelope.time = at("2026-01-31T23:59:59Z");
    envelope.traceparent = "00-1-2-01";
    CHECK(codec::encode_event(envelope, "{}") ==
          R"({"specversion":"1.0","id":"o-1/ready","source":"cartwright/reserver",)"
          R"("type":"cartwright.order.ready.v1",)"
          R"("time":"2026-01-31T23:59:59Z","traceparent":"00-1-2-01","data":{}})");
    CHECK(codec::encode_batch({}) == "[]");
    const std::vector<std::string_view> two{"{}", R"({"a":1})"};
    CHECK(codec::encode_batch(two) == R"([{},{"a":1}])");
}

TEST_CASE("a seller's order is its part of the order, and says which") {
    const auto order = full_order();
    const auto time = at("2026-02-01T00:00:00Z");
    CHECK(codec::encode_seller_order({&order, 0, "main", 42, time, "00-1-2-01"}) ==
          R"({"specversion":"1.0","id":"s-1/main/42","source":"cartwright/splitter",)"
          R"("type":"cartwright.seller.order.v1",)"
          R"("time":"2026-02-01T00:00:00Z","traceparent":"00-1-2-01",)"
          R"("sellerid":"s-1","stream":"main","number":42,)"
          R"("data":{"order_id":"o-1","part":1,"parts":2,"channel":"web","currency":"BRL","paid":true,)"
          R"("placed_at":"2026-01-31T23:59:59.500000Z","region":"SP","tags":["fragile","gift"],)"
          R"("total_minor":750,)"
          R"("lines":[{"line_id":"1","sku":"sku-1","category":"kitchen","quantity":3,"unit_price_minor":250,)"
          R"("allocations":[{"warehouse":"w-1","quantity":1},{"warehouse":"w-2","quantity":2}]}]}})");
    const auto second = codec::encode_seller_order({&order, 1, "main", 1, time, {}});
    CHECK(second.find(R"("part":2,"parts":2,)") != std::string::npos);
    CHECK(second.find(R"("total_minor":250,"lines":[{"line_id":"2",)") != std::string::npos);
    CHECK(second.find("sku-1") == std::string::npos);
    CHECK(second.find("traceparent") == std::string::npos);
}

TEST_CASE("a voided message says who gave up what and why") {
    CHECK(codec::encode_seller_voided({SellerId("s-2"), "main", 7, at("2026-02-01T00:00:00Z"), OrderId("o-1"),
                                       "cartwright.seller.order.v1", "refused", "kim"}) ==
          R"({"specversion":"1.0","id":"s-2/main/7","source":"cartwright/operator",)"
          R"("type":"cartwright.seller.voided.v1","time":"2026-02-01T00:00:00Z","sellerid":"s-2",)"
          R"("stream":"main","number":7,"data":{"order_id":"o-1","reason":"refused","voided_by":"kim",)"
          R"("voided_type":"cartwright.seller.order.v1"}})");
}

TEST_CASE("a seller's cancellation is its part of the cancellation") {
    const auto cancelled = full_cancelled();
    CHECK(codec::encode_seller_cancellation({&cancelled, 1, "express", 3, at("2026-02-01T00:00:00Z"), {}}) ==
          R"({"specversion":"1.0","id":"s-2/express/3","source":"cartwright/splitter",)"
          R"("type":"cartwright.seller.cancellation.v1","time":"2026-02-01T00:00:00Z",)"
          R"("sellerid":"s-2","stream":"express",)"
          R"("number":3,"data":{"order_id":"o-1","reason":"changed \"mind\"","whole":false,)"
          R"("lines":[{"line_id":"2","sku":"cup","quantity":1}]}})");
}
