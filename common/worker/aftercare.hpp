// What becomes of a message that is not simply done: the parking queue, the retry ladder, the answer to its
// sender.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/amqp/message.hpp"
#include "common/worker/handler.hpp"

namespace cartwright::worker {

/// One message, or one event of a batch message, on its way to parking or to the ladder.
struct Troubled {
    const amqp::Delivery& delivery;
    std::string_view body;     ///< the whole body, or the event's own JSON
    std::string_view type;     ///< of the event; empty when it could not be read
    std::string_view id;       ///< likewise
    bool one_of_many = false;  ///< an event of a batch message: it goes on as a message of its own
    std::int64_t attempts = 0;
};

struct LadderSettings {
    std::vector<std::chrono::milliseconds> rungs;
    std::size_t attempts_max = 20;  ///< after that many turns on the ladder a message is parked
};

/// The parked copy: the original whole, with reason, detail and origin as headers.
amqp::Outgoing parked(const std::string& worker, const Troubled& troubled, std::string_view reason,
                      std::string_view detail);

/// The copy for the next rung of the worker's ladder. Jitter by choosing between neighbouring rungs.
amqp::Outgoing for_ladder(const std::string& worker, const LadderSettings& ladder, const Troubled& troubled,
                          std::string_view detail);

/// How often a message was on the ladder before.
std::int64_t attempts_of(const amqp::Delivery& delivery);

/// An answer to whoever asked (default exchange, best effort); nothing when nobody did, or when the address
/// is a queue of the fleet. `event` is an encoded event of `type`.
std::optional<amqp::Outgoing> answer(const std::string& reply_to, const std::string& correlation_id,
                                     std::string_view type, std::string event);

}  // namespace cartwright::worker
