// What a handler says of one message.
#pragma once

#include <string>
#include <variant>

namespace cartwright::outcome {

/// Its effect is committed; it is acknowledged once everything it published is confirmed.
struct Done {};

/// Permanent trouble: the whole message goes to parking with its reason (a short code) and detail (a
/// sentence).
struct Park {
    std::string reason;
    std::string detail;
};

/// Not yet: the message goes to its worker's retry ladder with one more attempt charged.
struct Later {
    std::string detail;
};

/// Work is left for another turn of the same lane: the message stays unacknowledged and is handled again
/// behind what is queued now.
struct Again {};

using Verdict = std::variant<Done, Park, Later, Again>;

}  // namespace cartwright::outcome
