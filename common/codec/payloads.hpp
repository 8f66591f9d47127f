// From the members of `data` (and, for sellers' messages, of the event) to payloads.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/codec/decode.hpp"
#include "common/codec/reading.hpp"
#include "common/message/event.hpp"

namespace cartwright::codec {

enum class Origin {
    outside,  ///< anybody may send it
    fleet,    ///< written by the fleet: its id is made of several others and may be longer
};

/// A kind of event that can be read.
struct Kind {
    std::string_view type;
    Origin origin;
    message::Payload (*read)(const Fields& data, const Limits& limits);
};

/// Nothing for an unknown type and for sellers' messages, of which `data` is not read.
const Kind* kind_of(std::string_view type);

bool is_seller_message(std::string_view type);
message::SellerMessage read_seller_message(const Fields& event);

/// True for a known noun and verb with another major version than the known one.
bool is_other_major(std::string_view type);

}  // namespace cartwright::codec
