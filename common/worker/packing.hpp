// Hops inside the fleet carry batches: one broker message costs about the same whether it holds one event or
// fifty.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/amqp/message.hpp"
#include "common/codec/decode.hpp"

namespace cartwright::worker {

struct PackLimits {
    std::size_t events_max = 1'000;
    std::size_t bytes_max = 1'000'000;
};

/// What a reader with these limits takes.
PackLimits packed_for(const codec::Limits& reader);

/// An encoded event with the attributes that a message of its own shows as properties.
struct EncodedEvent {
    std::string id;
    std::string type;
    std::string json;
};

/// What an event shows as AMQP's message_id: its own id, or a hash of it where AMQP has no room for that (255
/// bytes).
std::string message_id_of(std::string event_id);

/// As few messages as the limits allow, in the given order: a batch each, or a plain event where there is
/// only one.
std::vector<amqp::Outgoing> pack(const std::string& exchange, const std::string& routing_key,
                                 std::vector<EncodedEvent> events, const PackLimits& limits);

}  // namespace cartwright::worker
