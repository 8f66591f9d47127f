// What comes from the broker and what goes to it, free of the client library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cartwright::amqp {

inline constexpr const char* json_event = "application/cloudevents+json";
inline constexpr const char* json_event_batch = "application/cloudevents-batch+json";

/// A header of a kind that the fleet neither reads nor writes (a table, a list, a number with a fraction …),
/// as AMQP encodes it, so that it can be passed on.
struct ForeignValue {
    std::string encoded;
    bool operator==(const ForeignValue&) const = default;
};

/// A delivery leaves out x-delivery-count, which it has as a number of its own.
using HeaderValue = std::variant<std::string, std::int64_t, bool, ForeignValue>;
using Headers = std::vector<std::pair<std::string, HeaderValue>>;

/// Bytes that a header takes up. All properties of a message travel in one frame of 128 KiB.
std::size_t header_bytes(const std::string& name, const HeaderValue& value);
inline constexpr std::size_t headers_bytes_max = 126 * 1024;

/// Names one delivery on one channel opening. A token of an older generation is dropped silently when it is
/// acknowledged: the broker has already given the message to somebody else.
struct AckToken {
    std::size_t subscription = 0;
    std::uint64_t generation = 0;
    std::uint64_t tag = 0;
};

struct Delivery {
    AckToken token;
    std::string body;
    std::string content_type;
    std::string content_encoding;
    std::string message_id;
    std::string type;
    std::string reply_to;
    std::string correlation_id;
    std::string queue;
    std::string exchange;
    std::string routing_key;
    Headers headers;
    bool redelivered = false;
    std::int64_t delivery_count = 0;  ///< x-delivery-count: how often it was given back before; 0 when absent
};

enum class Effort {
    confirmed,    ///< repeated until the broker confirms it
    best_effort,  ///< published once; a return, nack or time-out is counted and holds nothing
};

struct Outgoing {
    std::string exchange;
    std::string routing_key;
    std::string body;
    std::string content_type = json_event;
    std::string content_encoding;
    std::string message_id;
    std::string type;
    std::string reply_to;
    std::string correlation_id;
    Headers headers;
    bool mandatory = true;  ///< unroutable is an error (retried until the topology is there), not a loss
    Effort effort = Effort::confirmed;
};

}  // namespace cartwright::amqp
