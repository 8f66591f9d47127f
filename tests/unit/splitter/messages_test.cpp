#include "workers/splitter/messages.hpp"

#include <doctest/doctest.h>

#include "common/codec/decode.hpp"

using namespace cartwright;

namespace {

worker::Member member_of(std::string_view type, message::Payload payload) {
    worker::Member member;
    member.event.envelope.id = EventId("e1");
    member.event.envelope.type = type;
    member.event.envelope.time = from_rfc3339("2026-03-01T12:00:00Z");
    member.event.payload = std::move(payload);
    return member;
}

Order order_of_two() {
    Order order;
    order.order_id = OrderId("o1");
    order.channel = "web";
    order.currency = "BRL";
    for (const char* seller : {"a", "b"}) {
        OrderLine line{
            LineId(std::string("line ") + seller), Sku("sku"), "", 2, 300, {{WarehouseId("main"), 2}}};
        order.sellers.push_back({SellerId(seller), "", {}, {line}});
    }
    return order;
}

message::OrderCancelled cancelled(bool whole) {
    return {OrderId("o1"), "changed my mind", whole, {{SellerId("b"), {{LineId("line b"), Sku("sku"), 1}}}}};
}

const routing::StreamKey stream_b{SellerId("b"), StreamName("main")};

}  // namespace

TEST_CASE("the splitter's work is order.ready and order.cancelled") {
    const auto ready = member_of(message::type::order_ready, message::OrderPlaced{order_of_two()});
    CHECK(splitter::work_of(ready)->kind == routing::WorkKind::ready);
    CHECK(splitter::work_of(ready)->order_id == OrderId("o1"));
    for (const auto type : {message::type::order_reserved, message::type::order_pending}) {
        CHECK_FALSE(splitter::work_of(member_of(type, message::OrderPlaced{order_of_two()})));
    }
    CHECK_FALSE(splitter::work_of(member_of(message::type::stock_fill, message::StockFill{})));

    const auto whole = member_of(message::type::order_cancelled, cancelled(true));
    CHECK(splitter::work_of(whole)->kind == routing::WorkKind::cancelled_whole);
    const auto part = member_of(message::type::order_cancelled, cancelled(false));
    CHECK(splitter::work_of(part)->kind == routing::WorkKind::cancelled_lines);
    CHECK(splitter::work_of(part)->event_id == EventId("e1"));
}

TEST_CASE("a numbered message says its place, and the same event gives the same bytes") {
    const auto member = member_of(message::type::order_ready, message::OrderPlaced{order_of_two()});
    const auto work = splitter::work_of(member).value();
    const routing::NewMessage message{0, 1, stream_b, routing::ready_claim(work.order_id)};
    const auto one = splitter::numbered(message, 12, work, member.event.envelope);
    CHECK(one.body == splitter::numbered(message, 12, work, member.event.envelope).body);
    CHECK(one.type == message::type::seller_order);
    CHECK(one.order_id == OrderId("o1"));

    const auto event = splitter::event_of(one);
    CHECK(event.id == "b/main/12");
    codec::Decoder decoder{{}};
    const auto decoded = decoder.decode(event.json);
    REQUIRE(decoded.size() == 1);
    const auto& read = std::get<message::Event>(decoded[0].content);
    CHECK(read.envelope.id == EventId("b/main/12"));
    CHECK(read.envelope.time == member.event.envelope.time);
    const auto& place = std::get<message::SellerMessage>(read.payload);
    CHECK(place.seller_id == SellerId("b"));
    CHECK(place.stream == StreamName("main"));
    CHECK(place.number == 12);
    CHECK(event.json.find("\"part\":2,\"parts\":2") != std::string::npos);
    CHECK(event.json.find("line a") == std::string::npos);
}

TEST_CASE("a cancellation becomes a message of its own kind") {
    const auto member = member_of(message::type::order_cancelled, cancelled(false));
    const auto work = splitter::work_of(member).value();
    const auto message =
        splitter::numbered({0, 0, stream_b, routing::claim_of(work)}, 13, work, member.event.envelope);
    CHECK(message.type == message::type::seller_cancellation);
    CHECK(message.body.find("\"whole\":false") != std::string::npos);
    CHECK(message.body.find("\"line b\"") != std::string::npos);
}
