#include "common/amqp/wire.hpp"

#include <doctest/doctest.h>

namespace cartwright::amqp {
namespace {

amqp_frame_t method(amqp_method_number_t id, void* decoded) {
    amqp_frame_t frame{};
    frame.frame_type = AMQP_FRAME_METHOD;
    frame.channel = 1;
    frame.payload.method = {id, decoded};
    return frame;
}

amqp_frame_t header(std::uint64_t body_bytes, amqp_basic_properties_t& properties) {
    amqp_frame_t frame{};
    frame.frame_type = AMQP_FRAME_HEADER;
    frame.channel = 1;
    frame.payload.properties.body_size = body_bytes;
    frame.payload.properties.decoded = &properties;
    return frame;
}

amqp_frame_t body(const std::string& part) {
    amqp_frame_t frame{};
    frame.frame_type = AMQP_FRAME_BODY;
    frame.channel = 1;
    frame.payload.body_fragment = bytes_of(part);
    return frame;
}

amqp_table_entry_t entry(const char* name, std::uint8_t kind) {
    amqp_table_entry_t made{};
    made.key = bytes_of(name);
    made.value.kind = kind;
    return made;
}

TEST_CASE("a message is put together from its frames") {
    Assembler assembler;
    amqp_basic_deliver_t deliver{};
    deliver.consumer_tag = bytes_of("tag");
    deliver.delivery_tag = 7;
    deliver.redelivered = 1;
    deliver.exchange = bytes_of("exchange");
    deliver.routing_key = bytes_of("key");
    Outgoing outgoing;
    outgoing.message_id = "id";
    outgoing.type = "type";
    Properties properties(outgoing);
    auto copied = *properties.get();
    CHECK(assembler.feed(method(AMQP_BASIC_DELIVER_METHOD, &deliver)));
    CHECK_FALSE(assembler.take());
    CHECK(assembler.feed(header(6, copied)));
    CHECK_FALSE(assembler.take());
    CHECK(assembler.feed(body("abc")));
    CHECK_FALSE(assembler.take());
    CHECK(assembler.feed(body("def")));
    const auto arrival = assembler.take();
    REQUIRE(arrival);
    CHECK(arrival->kind == Arrival::Kind::delivered);
    CHECK(arrival->consumer_tag == "tag");
    CHECK(arrival->delivery.body == "abcdef");
    CHECK(arrival->delivery.token.tag == 7);
    CHECK(arrival->delivery.redelivered);
    CHECK(arrival->delivery.exchange == "exchange");
    CHECK(arrival->delivery.routing_key == "key");
    CHECK(arrival->delivery.message_id == "id");
    CHECK(arrival->delivery.type == "type");
    CHECK(arrival->delivery.content_type == json_event);
    CHECK_FALSE(assembler.take());
    CHECK_FALSE(assembler.feed(body("stray")));
    CHECK_FALSE(assembler.feed(method(AMQP_BASIC_ACK_METHOD, nullptr)));
}

TEST_CASE("a message without a body is complete with its header; a reset forgets what is half there") {
    Assembler assembler;
    amqp_basic_return_t returned{};
    returned.reply_text = bytes_of("NO_ROUTE");
    amqp_basic_properties_t properties{};
    assembler.feed(method(AMQP_BASIC_RETURN_METHOD, &returned));
    assembler.feed(header(0, properties));
    const auto arrival = assembler.take();
    REQUIRE(arrival);
    CHECK(arrival->kind == Arrival::Kind::returned);
    CHECK(arrival->why == "NO_ROUTE");
    assembler.feed(method(AMQP_BASIC_RETURN_METHOD, &returned));
    assembler.feed(header(5, properties));
    assembler.reset();
    CHECK_FALSE(assembler.feed(body("12345")));
    CHECK_FALSE(assembler.take());
}

TEST_CASE("headers that the fleet reads are kept, the delivery count is taken out") {
    auto text = entry("text", AMQP_FIELD_KIND_UTF8);
    text.value.value.bytes = bytes_of("t");
    auto small = entry("small", AMQP_FIELD_KIND_I8);
    small.value.value.i8 = -3;
    auto large = entry("large", AMQP_FIELD_KIND_I64);
    large.value.value.i64 = 1'000'000'000'000;
    auto truth = entry("truth", AMQP_FIELD_KIND_BOOLEAN);
    truth.value.value.boolean = 1;
    auto count = entry("x-delivery-count", AMQP_FIELD_KIND_I64);
    count.value.value.i64 = 4;
    auto table = entry("x-death", AMQP_FIELD_KIND_ARRAY);
    auto number = entry("number", AMQP_FIELD_KIND_F64);
    std::vector entries{text, small, large, truth, count, table, number};
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_HEADERS_FLAG;
    properties.headers = {static_cast<int>(entries.size()), entries.data()};
    amqp_basic_deliver_t deliver{};
    deliver.redelivered = 1;
    Assembler assembler;
    assembler.feed(method(AMQP_BASIC_DELIVER_METHOD, &deliver));
    assembler.feed(header(0, properties));
    const auto arrival = assembler.take();
    REQUIRE(arrival);
    CHECK(arrival->delivery.delivery_count == 4);
    const auto& headers = arrival->delivery.headers;
    REQUIRE(headers.size() == 6);
    CHECK(Headers(headers.begin(), headers.begin() + 4) == Headers{{"text", std::string("t")},
                                                                   {"small", std::int64_t{-3}},
                                                                   {"large", std::int64_t{1'000'000'000'000}},
                                                                   {"truth", true}});
    for (std::size_t i = 4; i < headers.size(); ++i) {
        CAPTURE(headers[i].first);
        CHECK(std::holds_alternative<ForeignValue>(headers[i].second));
    }
}

TEST_CASE("what was never delivered before was given back by nobody, whatever its sender says") {
    auto count = entry("x-delivery-count", AMQP_FIELD_KIND_I64);
    count.value.value.i64 = 50;
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_HEADERS_FLAG;
    properties.headers = {1, &count};
    amqp_basic_deliver_t deliver{};
    Assembler assembler;
    assembler.feed(method(AMQP_BASIC_DELIVER_METHOD, &deliver));
    assembler.feed(header(0, properties));
    const auto arrival = assembler.take();
    REQUIRE(arrival);
    CHECK(arrival->delivery.delivery_count == 0);
    CHECK(arrival->delivery.headers.empty());
}

TEST_CASE("every published message is persistent, and what is empty is left out") {
    Outgoing outgoing;
    outgoing.message_id = "id";
    outgoing.headers = {{"a", true}};
    const Properties properties(outgoing);
    CHECK(properties.get()->delivery_mode == 2);
    const auto flags = properties.get()->_flags;
    CHECK(flags == (AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG |
                    AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_HEADERS_FLAG));
    CHECK(properties.get()->headers.num_entries == 1);
}

TEST_CASE("a header of a kind that the fleet does not know is passed on as it was") {
    std::vector<amqp_field_value_t> inner(2);
    inner[0].kind = AMQP_FIELD_KIND_I8;
    inner[0].value.i8 = -3;
    inner[1].kind = AMQP_FIELD_KIND_UTF8;
    const std::string long_text(10'000, 'x');
    inner[1].value.bytes = bytes_of(long_text);
    auto list = entry("list", AMQP_FIELD_KIND_ARRAY);
    list.value.value.array = {static_cast<int>(inner.size()), inner.data()};
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_HEADERS_FLAG;
    properties.headers = {1, &list};
    amqp_basic_deliver_t deliver{};
    Assembler assembler;
    assembler.feed(method(AMQP_BASIC_DELIVER_METHOD, &deliver));
    assembler.feed(header(0, properties));
    const auto arrival = assembler.take();
    REQUIRE(arrival);
    Outgoing outgoing;
    outgoing.headers = arrival->delivery.headers;
    REQUIRE(outgoing.headers.size() == 1);
    // name, kind, length of the list, a small number, a text
    CHECK(header_bytes("list", outgoing.headers[0].second) == 1 + 4 + 1 + 4 + 2 + 1 + 4 + 10'000);
    const Properties passed_on(outgoing);
    REQUIRE(passed_on.get()->headers.num_entries == 1);
    const auto& field = passed_on.get()->headers.entries[0].value;
    REQUIRE(field.kind == AMQP_FIELD_KIND_ARRAY);
    REQUIRE(field.value.array.num_entries == 2);
    CHECK(field.value.array.entries[0].value.i8 == -3);
    CHECK(text_of(field.value.array.entries[1].value.bytes) == long_text);
}

TEST_CASE("what AMQP has no room for is named") {
    Outgoing outgoing;
    outgoing.message_id = std::string(255, 'i');
    outgoing.headers = {{"h", std::string(100'000, 'h')}};
    CHECK_FALSE(unencodable(outgoing));
    outgoing.headers.emplace_back("g", std::string(30'000, 'g'));
    CHECK(unencodable(outgoing).value_or("").starts_with("headers of"));
    outgoing.headers = {{std::string(256, 'n'), true}};
    CHECK(unencodable(outgoing).value_or("").starts_with("header name"));
    outgoing.headers.clear();
    outgoing.correlation_id = std::string(256, 'c');
    CHECK(unencodable(outgoing).value_or("").starts_with("correlation id"));
}

}  // namespace
}  // namespace cartwright::amqp
