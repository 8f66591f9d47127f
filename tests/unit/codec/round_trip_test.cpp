#include <doctest/doctest.h>

#include <map>

#include "common/codec/decode.hpp"
#include "common/codec/encode.hpp"
#include "tests/unit/codec/random_payloads.hpp"

using namespace cartwright;
using cartwright::testing::RandomPayloads;

namespace {

constexpr int rounds = 5'000;

message::Event read(codec::Decoder& decoder, const std::string& json) {
    auto all = decoder.decode(json);
    REQUIRE(all.size() == 1);
    CHECK(all[0].raw == json);
    if (const auto* problem = std::get_if<codec::Problem>(&all[0].content))
        FAIL(problem->detail << " in " << json);
    return std::get<message::Event>(std::move(all[0].content));
}

}  // namespace

TEST_CASE("whatever is encoded is read back and encoded to the same bytes") {
    RandomPayloads random(20'260'131);
    codec::Decoder decoder({});
    std::map<std::string_view, int> seen;
    for (int round = 0; round < rounds; ++round) {
        const auto [type, payload] = random.next();
        ++seen[type];
        const auto envelope = random.envelope(type);
        const auto data = codec::encode_data(payload);
        const auto json = codec::encode_event(envelope, data);
        CAPTURE(json);
        REQUIRE(codec::encode_event(envelope, payload) == json);
        const auto again = read(decoder, json);
        REQUIRE(again.payload.index() == payload.index());
        CHECK(again.envelope.id == envelope.id);
        CHECK(again.envelope.source == envelope.source);
        CHECK(again.envelope.time == envelope.time);
        CHECK(again.envelope.traceparent == envelope.traceparent);
        REQUIRE(codec::encode_event(again.envelope, codec::encode_data(again.payload)) == json);
        const auto stored = decoder.decode_data(type, data);
        REQUIRE(std::holds_alternative<message::Payload>(stored));
        REQUIRE(codec::encode_data(std::get<message::Payload>(stored)) == data);
    }
    CHECK(seen.size() == 14);
}

TEST_CASE("an order that is read back is the same value") {
    RandomPayloads random(7);
    codec::Decoder decoder({});
    for (int round = 0; round < rounds; ++round) {
        const auto order = random.order();
        const auto stored =
            decoder.decode_data(message::type::order_ready, codec::encode_data(message::OrderPlaced{order}));
        REQUIRE(std::holds_alternative<message::Payload>(stored));
        REQUIRE(std::get<message::OrderPlaced>(std::get<message::Payload>(stored)).order == order);
    }
}

TEST_CASE("a batch of anything is read back in order") {
    RandomPayloads random(8);
    codec::Decoder decoder({});
    for (int round = 0; round < 100; ++round) {
        std::vector<std::string> events;
        for (std::size_t i = random.below(20); i > 0; --i) {
            const auto [type, payload] = random.next();
            events.push_back(codec::encode_event(random.envelope(type), codec::encode_data(payload)));
        }
        const std::vector<std::string_view> views(events.begin(), events.end());
        const auto body = codec::encode_batch(views);
        const auto all = decoder.decode(body);
        REQUIRE(all.size() == events.size());
        for (std::size_t i = 0; i < all.size(); ++i) {
            REQUIRE(all[i].raw == events[i]);
            REQUIRE(std::holds_alternative<message::Event>(all[i].content));
        }
    }
}

TEST_CASE("sellers' messages are read back as their place in their stream") {
    RandomPayloads random(9);
    codec::Decoder decoder({});
    for (int round = 0; round < rounds; ++round) {
        const auto order = random.order();
        const auto cancelled = random.cancelled();
        const auto stream = random.id_text();
        const auto number = random.number(1, 1'000'000);
        const auto check = [&](const std::string& json, const SellerId& seller) {
            const auto one = read(decoder, json);
            const auto& place = std::get<message::SellerMessage>(one.payload);
            REQUIRE(place.seller_id == seller);
            REQUIRE(place.stream.str() == stream);
            REQUIRE(place.number == number);
            REQUIRE(one.envelope.id.str() == codec::seller_message_id(seller, stream, number));
        };
        for (std::size_t i = 0; i < order.sellers.size(); ++i) {
            check(codec::encode_seller_order({&order, i, stream, number, random.time(), {}}),
                  order.sellers[i].seller_id);
        }
        for (std::size_t i = 0; i < cancelled.sellers.size(); ++i) {
            check(codec::encode_seller_cancellation({&cancelled, i, stream, number, random.time(), {}}),
                  cancelled.sellers[i].seller_id);
        }
    }
}
