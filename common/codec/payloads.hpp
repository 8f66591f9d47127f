// One reader a kind of event. Internal to the codec.
#pragma once

#include <simdjson.h>

#include <string_view>

#include "common/codec/decode.hpp"
#include "common/codec/fields.hpp"
#include "common/message/event.hpp"

namespace cartwright::codec {

/// True when events of this type are read at all.
bool is_known(std::string_view type);
/// "unknown_type", or "unsupported_version" when another version of the type is known.
Problem unreadable(std::string_view type);

/// Reads `data` of an event of a known type. Throws Bad.
message::Payload read_payload(std::string_view type, simdjson::dom::element data, const Path& path, const Limits& limits);

}  // namespace cartwright::codec
