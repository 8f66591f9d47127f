#include "common/worker/packing.hpp"

#include <doctest/doctest.h>

#include "common/codec/encode.hpp"

using namespace cartwright;
using namespace cartwright::worker;

TEST_CASE("an id that AMQP has no room for is shown as its hash, the same each time") {
    const std::string longest(255, 'i');
    CHECK(message_id_of(longest) == longest);
    const auto hashed = message_id_of(longest + "j");
    CHECK(hashed.size() == 7 + 64);
    CHECK(hashed == message_id_of(longest + "j"));
    CHECK(hashed != message_id_of(longest + "k"));
    CHECK(pack("x", "k", {{longest + "j", "t", "{}"}}, {}).at(0).message_id == hashed);
}

TEST_CASE("one event is a plain event, several are a batch, bounded in count and bytes") {
    CHECK(pack("x", "k", {}, {}).empty());
    const auto one = pack("x", "k", {{"1", "t", "{}"}}, {});
    REQUIRE(one.size() == 1);
    CHECK(one[0].body == "{}");
    CHECK(one[0].message_id == "1");
    CHECK(one[0].content_type == amqp::json_event);
    const auto three = pack("x", "k", {{"1", "t", "{}"}, {"2", "t", "[]"}, {"3", "t", "{}"}}, {2, 1'000});
    REQUIRE(three.size() == 2);
    CHECK(three[0].body == "[{},[]]");
    CHECK(three[0].content_type == amqp::json_event_batch);
    CHECK(three[1].body == "{}");
    const auto large =
        pack("x", "k", {{"1", "t", std::string(50, 'a')}, {"2", "t", std::string(50, 'b')}}, {100, 60});
    CHECK(large.size() == 2);
}

TEST_CASE("whoever reads with the limits that were packed for takes every message") {
    codec::Limits reader;
    reader.body_bytes_max = 1'024;
    reader.members_max = 4;
    codec::Decoder decoder(reader);
    std::vector<EncodedEvent> events;
    for (std::size_t i = 0; i < 40; ++i) {
        message::Envelope envelope;
        envelope.id = EventId(std::string(1 + 9 * i, 'e'));  // sizes up to 500 bytes
        envelope.type = "t";
        envelope.source = "s";
        events.push_back({envelope.id.str(), "t", codec::encode_event(envelope, "{}")});
    }
    std::size_t full = 0, read = 0;
    for (const auto& message : pack("x", "k", events, packed_for(reader))) {
        CHECK(message.body.size() <= reader.body_bytes_max);
        full += message.body.size() > reader.body_bytes_max - 500 ? 1 : 0;
        read += decoder.decode(message.body).size();
    }
    CHECK(read == events.size());
    CHECK(full > 3);
}
