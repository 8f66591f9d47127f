// Damaged messages: whatever comes in, the decoder answers with events and complaints that can be shown.
#include <doctest/doctest.h>

#include <cstring>

#include "common/codec/decode.hpp"
#include "common/codec/encode.hpp"
#include "common/text/utf8.hpp"
#include "tests/unit/codec/random_payloads.hpp"

using namespace cartwright;
using cartwright::testing::RandomPayloads;

namespace {

constexpr int rounds = 20'000;

std::string valid_message(RandomPayloads& random) {
    std::vector<std::string> events;
    for (std::size_t i = 1 + random.below(4); i > 0; --i) {
        if (random.below(8) == 0) {
            auto order = random.order();
            if (order.sellers.empty()) order.sellers.emplace_back().seller_id = SellerId("s");
            events.push_back(codec::encode_seller_order({&order, 0, "main", 1, random.time(), {}}));
            continue;
        }
        const auto [type, payload] = random.next();
        events.push_back(codec::encode_event(random.envelope(type), codec::encode_data(payload)));
    }
    if (events.size() == 1 && random.chance()) return events[0];
    const std::vector<std::string_view> views(events.begin(), events.end());
    return codec::encode_batch(views);
}

void flip_bits(RandomPayloads& random, std::string& text) {
    for (std::size_t i = 1 + random.below(8); i > 0; --i) {
        auto& byte = text[random.below(text.size())];
        byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << random.below(8)));
    }
}

void put_token(RandomPayloads& random, std::string& text) {
    constexpr std::string_view tokens[] = {
        "{",  "}",    "[",    "]",        ",",       ":",       "\"",
        "\\", "null", "-",    "1e999",    "\\u0000", "\\ud800", "99999999999999999999",
        "0",  ".5",   "\xff", "[[[[[[[[", "true"};
    const auto token = tokens[random.below(std::size(tokens))];
    text.replace(random.below(text.size()), random.below(3), token);
}

void mutate(RandomPayloads& random, std::string& text, const std::string& other) {
    switch (random.below(6)) {
        case 0:
            flip_bits(random, text);
            break;
        case 1:
            text.resize(1 + random.below(text.size()));
            break;
        case 2:
            text = text.substr(0, random.below(text.size())) + other.substr(random.below(other.size()));
            break;
        case 3:
            text.erase(random.below(text.size()), 1 + random.below(20));
            break;
        case 4:
            text.insert(random.below(text.size()), text.substr(random.below(text.size()), random.below(60)));
            break;
        default:
            put_token(random, text);
            break;
    }
    if (text.empty()) text = "{";
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto length = text::utf8_sequence(text, at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

bool is_inside(std::string_view part, std::string_view whole) {
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_decoded(codec::Decoder& decoder, const codec::Decoded& one) {
    if (const auto* problem = std::get_if<codec::Problem>(&one.content)) {
        REQUIRE_FALSE(problem->reason.empty());
        REQUIRE_FALSE(problem->detail.empty());
        REQUIRE(problem->detail.size() < 600);
        REQUIRE(is_utf8(problem->detail));
        return;
    }
    // What was read can be written, and read again by itself.
    const auto& event = std::get<message::Event>(one.content);
    if (!std::holds_alternative<message::SellerMessage>(event.payload)) {
        const auto json = codec::encode_event(event.envelope, codec::encode_data(event.payload));
        const auto again = decoder.decode(json);
        REQUIRE(again.size() == 1);
        REQUIRE(std::holds_alternative<message::Event>(again[0].content));
    }
    const auto alone = decoder.decode(one.raw);
    REQUIRE(alone.size() == 1);
    REQUIRE(std::holds_alternative<message::Event>(alone[0].content));
}

}  // namespace

TEST_CASE("damaged messages never do more than give complaints") {
    RandomPayloads random(4'711);
    codec::Limits limits;
    limits.body_bytes_max = 64 * 1024;
    limits.members_max = 50;
    codec::Decoder decoder(limits);
    std::size_t problems = 0, events = 0;
    std::string other = valid_message(random);
    for (int round = 0; round < rounds; ++round) {
        std::string text = valid_message(random);
        const std::string undamaged = text;
        for (std::size_t i = 1 + random.below(2); i > 0; --i) mutate(random, text, other);
        other = undamaged;
        // Exactly as long as the text, so that a sanitizer sees every byte that is read behind it.
        const auto body = std::make_unique<char[]>(text.size());
        std::memcpy(body.get(), text.data(), text.size());
        const std::string_view view(body.get(), text.size());
        CAPTURE(view);
        const auto all = decoder.decode(view);
        if (all.empty()) {
            REQUIRE(text.find_first_not_of(" \t\r\n[]") == std::string::npos);
            continue;
        }
        for (const auto& one : all) {
            REQUIRE(is_inside(one.raw, view));
            check_decoded(decoder, one);
            ++(std::holds_alternative<message::Event>(one.content) ? events : problems);
        }
    }
    CHECK(problems > rounds / 8);
    CHECK(events > rounds / 8);
}

TEST_CASE("damaged stored answers never do more than give complaints") {
    RandomPayloads random(815);
    codec::Decoder decoder({});
    for (int round = 0; round < rounds; ++round) {
        const auto [type, payload] = random.next();
        auto data = codec::encode_data(payload);
        mutate(random, data, codec::encode_data(random.next().second));
        const auto read = decoder.decode_data(random.next().first, data);
        if (const auto* good = std::get_if<message::Payload>(&read))
            REQUIRE_FALSE(codec::encode_data(*good).empty());
    }
}
