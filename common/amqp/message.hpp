// What comes from the broker and what goes to it, free of the client library.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cartwright::amqp {

inline constexpr const char* json_event = "application/cloudevents+json";
inline constexpr const char* json_event_batch = "application/cloudevents-batch+json";

/// Header values that the fleet reads or writes. A delivery leaves out headers of other kinds (tables, lists
/// such as x-death, numbers with a fraction), and x-delivery-count, which it has as a number of its own.
using HeaderValue = std::variant<std::string, std::int64_t, bool>;
using Headers = std::vector<std::pair<std::string, HeaderValue>>;

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
    std::string message_id;
    std::string type;
    std::string reply_to;
    std::string correlation_id;
    std::string queue;
    std::string exchange;
    std::string routing_key;
    Headers headers;  ///< strings, integers and booleans; anything else is left out
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
    std::string message_id;
    std::string type;
    std::string reply_to;
    std::string correlation_id;
    Headers headers;
    bool mandatory = true;  ///< unroutable is an error (retried until the topology is there), not a loss
    Effort effort = Effort::confirmed;
};

}  // namespace cartwright::amqp
