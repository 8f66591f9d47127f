// Shorthands for tests that decode.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>

#include "common/codec/decode.hpp"

namespace cartwright::testing {

/// An event with the attributes that each must have.
inline std::string event(std::string_view type, std::string_view data, std::string_view more = "") {
    return std::string(R"({"specversion":"1.0","id":"e-1","source":"shop","type":")") + std::string(type) +
           '"' + std::string(more) + R"(,"data":)" + std::string(data) + '}';
}

inline std::string cart_event(std::string_view lines, std::string_view more = "") {
    return event("cartwright.cart.submitted.v1",
                 std::string(R"({"order_id":"o-1","channel":"web","currency":"BRL")") + std::string(more) +
                     R"(,"lines":)" + std::string(lines) + '}');
}

inline const std::string one_line = R"([{"line_id":"1","sku":"mug","quantity":2}])";

/// The only element, which has to be an event.
inline message::Event read_one(std::string_view body, codec::Limits limits = {}) {
    codec::Decoder decoder(limits);
    auto all = decoder.decode(body);
    REQUIRE(all.size() == 1);
    if (const auto* problem = std::get_if<codec::Problem>(&all[0].content))
        FAIL(problem->reason << ": " << problem->detail);
    return std::get<message::Event>(all[0].content);
}

template <class Payload>
Payload read_as(std::string_view body) {
    auto one = read_one(body);
    REQUIRE(std::holds_alternative<Payload>(one.payload));
    return std::get<Payload>(one.payload);
}

/// "reason: detail" of the only element; "" when it is an event.
inline std::string complaint(std::string_view body, codec::Limits limits = {}) {
    codec::Decoder decoder(limits);
    const auto all = decoder.decode(body);
    REQUIRE(all.size() == 1);
    const auto* problem = std::get_if<codec::Problem>(&all[0].content);
    return problem == nullptr ? "" : problem->reason + ": " + problem->detail;
}

}  // namespace cartwright::testing
