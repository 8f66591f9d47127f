// Properties of whatever the decoder of messages gives.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "common/codec/decode.hpp"
#include "common/codec/encode.hpp"
#include "tests/fuzz/property.hpp"

namespace cartwright::fuzz {

inline constexpr std::size_t detail_bytes_max = 600;

inline codec::Limits limits() {
    codec::Limits limits;
    limits.members_max = 50;
    limits.movements_max = 50;
    limits.lines_decoded_max = 200;
    return limits;
}

inline void check_problem(const codec::Problem& problem) {
    property(problem.reason == "malformed" || problem.reason == "body_too_large" ||
                 problem.reason == "unknown_type" || problem.reason == "unsupported_version",
             "a reason is one of parking");
    check_complaint(problem.detail, detail_bytes_max);
}

inline std::string encoded(const message::Event& event) {
    return codec::encode_event(event.envelope, codec::encode_data(event.payload));
}

/// The decoder gets `json` and has to give one event.
inline message::Event one_event(codec::Decoder& decoder, const std::string& json) {
    auto all = decoder.decode(json);
    property(all.size() == 1, "an event that was written is one event");
    auto* event = std::get_if<message::Event>(&all[0].content);
    property(event != nullptr, "an event that was written can be read");
    return std::move(*event);
}

/// Decode, encode, decode: the same.
inline void check_round_trip(codec::Decoder& decoder, const message::Event& event) {
    if (std::holds_alternative<message::SellerMessage>(event.payload)) return;
    const auto json = encoded(event);
    const auto again = one_event(decoder, json);
    property(encoded(again) == json, "what was read, written and read again is the same");
    if (const auto* submitted = std::get_if<message::CartSubmitted>(&event.payload))
        property(codec::canonical_cart(submitted->cart) ==
                     codec::canonical_cart(std::get<message::CartSubmitted>(again.payload).cart),
                 "a cart keeps its canonical text");
}

inline void check_decoded(codec::Decoder& decoder, const codec::Decoded& one) {
    if (const auto* problem = std::get_if<codec::Problem>(&one.content)) return check_problem(*problem);
    check_round_trip(decoder, std::get<message::Event>(one.content));
}

}  // namespace cartwright::fuzz
