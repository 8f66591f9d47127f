#include <limits>

#include "tests/unit/codec/reading.hpp"

using namespace cartwright;
using namespace cartwright::testing;

namespace {

Timestamp at(std::string_view text) {
    const auto time = from_rfc3339(text);
    REQUIRE(time);
    return *time;
}

}  // namespace

TEST_CASE("every field of a cart is read") {
    const auto one = read_one(R"( {
        "specversion": "1.0", "id": "web/4711", "source": "/channels/web",
        "type": "cartwright.cart.submitted.v1",
        "time": "2026-02-03T04:05:06.5+01:00", "subject": "anything", "datacontenttype": "application/json",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "data": {
            "order_id": "o-1", "channel": "web", "currency": "BRL", "paid": true, "policy": "partial",
            "placed_at": "2026-02-03T04:05:05Z", "coupon": {"code": [1, 2.5, null]},
            "lines": [
                {"line_id": "1", "sku": "mug", "seller_id": "s-1", "quantity": 3, "unit_price_minor": 1299},
                {"line_id": "2", "sku": "cup \u00e9\u2028\ud83d\ude00",
                 "quantity": -9223372036854775808}]}} )");
    CHECK(one.envelope.id == EventId("web/4711"));
    CHECK(one.envelope.source == "/channels/web");
    CHECK(one.envelope.type == "cartwright.cart.submitted.v1");
    CHECK(one.envelope.time == at("2026-02-03T03:05:06.5Z"));
    CHECK(one.envelope.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    const auto& cart = std::get<message::CartSubmitted>(one.payload).cart;
    CHECK(cart.order_id == OrderId("o-1"));
    CHECK(cart.channel == "web");
    CHECK(cart.currency == "BRL");
    CHECK(cart.paid);
    CHECK(cart.policy == ShortagePolicy::partial);
    CHECK(cart.placed_at == at("2026-02-03T04:05:05Z"));
    REQUIRE(cart.lines.size() == 2);
    CHECK(cart.lines[0].line_id == LineId("1"));
    CHECK(cart.lines[0].sku == Sku("mug"));
    CHECK(cart.lines[0].seller_id == SellerId("s-1"));
    CHECK(cart.lines[0].quantity == 3);
    CHECK(cart.lines[0].unit_price_minor == 1299);
    CHECK(cart.lines[1].sku == Sku("cup \xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80"));
    CHECK_FALSE(cart.lines[1].seller_id);
    CHECK(cart.lines[1].quantity == std::numeric_limits<std::int64_t>::min());
    CHECK_FALSE(cart.lines[1].unit_price_minor);
}

TEST_CASE("what is optional may be absent or null, and has its default") {
    const std::string absent = cart_event(one_line);
    const std::string null =
        cart_event(R"([{"line_id":"1","sku":"mug","quantity":2,"seller_id":null,"unit_price_minor":null}])",
                   R"(,"paid":null,"policy":null,"placed_at":null)");
    for (const auto& body : {absent, null}) {
        const auto cart = read_as<message::CartSubmitted>(body).cart;
        CHECK_FALSE(cart.paid);
        CHECK(cart.policy == ShortagePolicy::all_or_nothing);
        CHECK_FALSE(cart.placed_at);
        REQUIRE(cart.lines.size() == 1);
        CHECK_FALSE(cart.lines[0].seller_id);
        CHECK_FALSE(cart.lines[0].unit_price_minor);
    }
    const auto one =
        read_one(event("cartwright.catalogue.changed.v1", "{}", R"(,"time":null,"traceparent":null)"));
    CHECK_FALSE(one.envelope.time);
    CHECK(one.envelope.traceparent.empty());
}

TEST_CASE("what a cart's reserver rejects is not the decoder's business") {
    CHECK(read_as<message::CartSubmitted>(cart_event("[]")).cart.lines.empty());
    const auto line = R"({"line_id":"1","sku":"mug","quantity":0})";
    const auto cart =
        read_as<message::CartSubmitted>(cart_event("[" + std::string(line) + "," + line + "]")).cart;
    CHECK(cart.lines.size() == 2);
}

TEST_CASE("a traceparent that is none is ignored, as Trace Context asks") {
    const auto traceparent_of = [](const std::string& text) {
        return read_one(event("cartwright.catalogue.changed.v1", "{}", R"(,"traceparent":")" + text + '"'))
            .envelope.traceparent;
    };
    const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    CHECK(traceparent_of(good) == good);
    CHECK(traceparent_of("").empty());
    CHECK(traceparent_of(good + "x").empty());
    CHECK(traceparent_of("ff" + good.substr(2)).empty());
    CHECK(traceparent_of("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01").empty());
}

TEST_CASE("movements, with what each kind needs") {
    const auto moved = read_as<message::StockMoved>(event("cartwright.stock.moved.v1", R"({"movements":[
        {"kind":"receipt","seller_id":"s","sku":"mug","warehouse":"w","quantity":5,
         "occurred_at":"2026-01-01T00:00:00Z"},
        {"kind":"count","seller_id":"s","sku":"mug","warehouse":"w","quantity":0,
         "occurred_at":"2026-01-01T00:00:00Z"},
        {"kind":"adjustment","seller_id":"s","sku":"mug","warehouse":"w","quantity":-1,
         "occurred_at":"2026-01-01T00:00:00Z",
         "reason":"broken"},
        {"kind":"dispatch","seller_id":"s","order_id":"o","line_id":"1","quantity":1,
         "occurred_at":"2026-01-01T00:00:00Z"},
        {"kind":"return","seller_id":"s","order_id":"o","line_id":"1","quantity":1,
         "occurred_at":"2026-01-01T00:00:00Z"},
        {"kind":"release","seller_id":"s","order_id":"o","line_id":"1","quantity":1,"sku":"mug",
         "warehouse":"w",
         "occurred_at":"2026-01-01T00:00:00.000001Z"}]})"))
                           .movements;
    using message::MovementKind;
    REQUIRE(moved.size() == 6);
    CHECK(moved[0].kind == MovementKind::receipt);
    CHECK(moved[1].kind == MovementKind::count);
    CHECK(moved[2].kind == MovementKind::adjustment);
    CHECK(moved[3].kind == MovementKind::dispatch);
    CHECK(moved[4].kind == MovementKind::restock);
    CHECK(moved[5].kind == MovementKind::release);
    CHECK(moved[0].sku == Sku("mug"));
    CHECK(moved[0].warehouse == WarehouseId("w"));
    CHECK(moved[2].quantity == -1);
    CHECK(moved[2].reason == "broken");
    CHECK(moved[3].sku.empty());
    CHECK(moved[3].warehouse.empty());
    CHECK(moved[3].order_id == OrderId("o"));
    CHECK(moved[3].line_id == LineId("1"));
    CHECK(moved[5].occurred_at == at("2026-01-01T00:00:00.000001Z"));
}

TEST_CASE("cancellations: whole or by lines") {
    const auto whole = read_as<message::OrderCancellation>(
        event("cartwright.order.cancellation.v1", R"({"order_id":"o","reason":"changed my mind"})"));
    CHECK(whole.order_id == OrderId("o"));
    CHECK(whole.reason == "changed my mind");
    CHECK(whole.requested_by.empty());
    CHECK(whole.lines.empty());
    const auto part = read_as<message::OrderCancellation>(event(
        "cartwright.order.cancellation.v1",
        R"({"order_id":"o","reason":"","requested_by":"buyer","lines":[{"line_id":"2","quantity":1}]})"));
    CHECK(part.requested_by == "buyer");
    REQUIRE(part.lines.size() == 1);
    CHECK(part.lines[0].line_id == LineId("2"));
    CHECK(part.lines[0].quantity == 1);
}

TEST_CASE("a catalogue change names what it names") {
    const auto some = read_as<message::CatalogueChanged>(
        event("cartwright.catalogue.changed.v1", R"({"skus":["a","b"],"sellers":["s"]})"));
    CHECK(some.skus == std::vector{Sku("a"), Sku("b")});
    CHECK(some.sellers == std::vector{SellerId("s")});
    const auto all = read_as<message::CatalogueChanged>(event("cartwright.catalogue.changed.v1", "{}"));
    CHECK(all.skus.empty());
    CHECK(all.sellers.empty());
}

TEST_CASE("of a seller's message only its place in its stream is read") {
    for (const auto* type : {"cartwright.seller.order.v1", "cartwright.seller.cancellation.v1"}) {
        const auto seller = read_as<message::SellerMessage>(
            event(type, R"(["whatever"])", R"(,"sellerid":"s","stream":"main","number":7)"));
        CHECK(seller.seller_id == SellerId("s"));
        CHECK(seller.stream == StreamName("main"));
        CHECK(seller.number == 7);
    }
}

TEST_CASE("the fleet's own ids are made of several and may be longer than one from outside") {
    const std::string long_id(900, 'x');
    const auto with_id = [&](std::string_view type, std::string_view data, std::string_view more = "") {
        return R"({"specversion":"1.0","id":")" + long_id + R"(","source":"s","type":")" + std::string(type) +
               '"' + std::string(more) + R"(,"data":)" + std::string(data) + '}';
    };
    CHECK(complaint(with_id("cartwright.stock.fill.v1", R"({"positions":[]})")).empty());
    CHECK(complaint(with_id("cartwright.seller.order.v1", "{}", R"(,"sellerid":"s","stream":"m","number":1)"))
              .empty());
    CHECK(complaint(with_id("cartwright.catalogue.changed.v1", "{}"))
              .starts_with("malformed: id: expected 1 to 200 bytes"));
}

TEST_CASE("the raw text of a single event is the body without the white space around it") {
    codec::Decoder decoder({});
    const std::string text = cart_event(one_line);
    const std::string body = "\r\n\t " + text + " \n";
    const auto all = decoder.decode(body);
    REQUIRE(all.size() == 1);
    CHECK(all[0].raw == text);
    CHECK(all[0].raw.data() == body.data() + 4);
}

TEST_CASE("one decoder reads message after message, small after large and good after bad") {
    codec::Decoder decoder({});
    const auto good = [&](const std::string& body) {
        const auto all = decoder.decode(body);
        return all.size() == 1 && std::holds_alternative<message::Event>(all[0].content);
    };
    const std::string padding(300'000, 'p');
    for (int round = 0; round < 3; ++round) {
        CHECK(good(cart_event(one_line)));
        CHECK(good(cart_event(one_line, R"(,"note":")" + padding + '"')));
        CHECK_FALSE(good(cart_event(one_line, R"(,"paid":"yes")")));
        CHECK_FALSE(good("{"));
    }
    codec::Decoder moved = std::move(decoder);
    CHECK(moved.decode(cart_event(one_line)).size() == 1);
}

TEST_CASE("stored answers are read by their type") {
    codec::Decoder decoder({});
    const auto good = decoder.decode_data(
        "cartwright.order.rejected.v1",
        R"({"order_id":"o","reasons":[{"sku":"mug","code":"short_stock","detail":"1 of 2"}]})");
    REQUIRE(std::holds_alternative<message::Payload>(good));
    const auto& rejected = std::get<message::OrderRejected>(std::get<message::Payload>(good));
    CHECK(rejected.order_id == OrderId("o"));
    CHECK(rejected.reasons == std::vector{Rejection{LineId(), Sku("mug"), "short_stock", "1 of 2"}});

    const auto detail = [&](std::string_view type, std::string_view data) {
        const auto read = decoder.decode_data(type, data);
        REQUIRE(std::holds_alternative<codec::Problem>(read));
        const auto& problem = std::get<codec::Problem>(read);
        return problem.reason + ": " + problem.detail;
    };
    CHECK(detail("cartwright.order.rejected.v1", R"({"order_id":"o","reasons":[{"code":1}]})") ==
          "malformed: data.reasons[0].code: expected a string, found an integer");
    CHECK(detail("cartwright.order.rejected.v1", "[]") ==
          "malformed: data: expected an object, found an array");
    CHECK(detail("cartwright.order.rejected.v1", "{") ==
          "malformed: data: not JSON: The JSON document has an improper structure: missing or superfluous "
          "commas, braces, "
          "missing keys, etc.");
    CHECK(detail("cartwright.order.rejected.v2", "{}").starts_with("unsupported_version: "));
    CHECK(detail("cartwright.seller.order.v1", "{}").starts_with("unknown_type: "));
}

TEST_CASE("a stored answer may be longer than a message") {
    codec::Limits limits;
    limits.body_bytes_max = 1'024;
    codec::Decoder decoder(limits);
    const std::string data = R"({"reason":"r","detail":")" + std::string(100'000, 'd') + R"("})";
    CHECK(
        std::holds_alternative<message::Payload>(decoder.decode_data("cartwright.message.parked.v1", data)));
}
