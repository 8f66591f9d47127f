#include "common/worker/packing.hpp"

#include <span>

#include "common/codec/encode.hpp"
#include "common/crypto/digest.hpp"

namespace cartwright::worker {
namespace {

amqp::Outgoing message_of(const std::string& exchange, const std::string& routing_key,
                          std::span<EncodedEvent> events) {
    amqp::Outgoing message;
    message.exchange = exchange;
    message.routing_key = routing_key;
    message.type = events.front().type;
    if (events.size() == 1) {
        message.message_id = message_id_of(std::move(events.front().id));
        message.body = std::move(events.front().json);
        return message;
    }
    std::vector<std::string_view> bodies;
    bodies.reserve(events.size());
    for (const auto& event : events) bodies.emplace_back(event.json);
    message.body = codec::encode_batch(bodies);
    message.content_type = amqp::json_event_batch;
    message.message_id = crypto::random_id();
    return message;
}

}  // namespace

PackLimits packed_for(const codec::Limits& reader) {
    constexpr std::size_t brackets = 2;
    return {reader.members_max, reader.body_bytes_max - brackets};
}

std::string message_id_of(std::string event_id) {
    constexpr std::size_t bytes_max = 255;
    if (event_id.size() <= bytes_max) return event_id;
    return "sha256:" + crypto::hex(crypto::sha256(event_id));
}

std::vector<amqp::Outgoing> pack(const std::string& exchange, const std::string& routing_key,
                                 std::vector<EncodedEvent> events, const PackLimits& limits) {
    std::vector<amqp::Outgoing> messages;
    std::size_t begin = 0;
    std::size_t bytes = 0;
    const auto close = [&](std::size_t end) {
        if (end > begin)
            messages.push_back(
                message_of(exchange, routing_key, std::span(events).subspan(begin, end - begin)));
        begin = end;
        bytes = 0;
    };
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (i - begin >= limits.events_max || (i > begin && bytes + events[i].json.size() > limits.bytes_max))
            close(i);
        bytes += events[i].json.size() + 1;
    }
    close(events.size());
    return messages;
}

}  // namespace cartwright::worker
