// Which destination a stream's numbers go to: recorded with the stream, changed only at a number that was
// never tried elsewhere. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cartwright::routing {

/// What is recorded of a stream.
struct Route {
    std::string destination;  ///< of numbers below next->from, or of all
    std::string wished;       ///< what the rules wanted when the destination was last decided by them
    struct Next {
        std::string destination;
        std::int64_t from = 0;
        bool operator==(const Next&) const = default;
    };
    std::optional<Next> next;    ///< a switch whose number is not reached yet
    std::int64_t delivered = 0;  ///< every number up to here was accepted
    std::int64_t tried = 0;      ///< numbers up to here may have reached an endpoint although nobody knows
    bool operator==(const Route&) const = default;
};

/// A switch to be recorded: numbers from `from` on go from `previous` to `destination`.
struct Switch {
    std::int64_t from = 0;
    std::string previous;
    std::string destination;
    bool operator==(const Switch&) const = default;
};

struct Rerouted {
    Route route;
    std::optional<Switch> recorded;
};

/// Queues take many numbers at once and under nobody's control; an endpoint's calls are recorded one by one.
bool is_queue(std::string_view destination);

/// A stream that the rules have not seen before.
Route first_route(std::string destination);

/// A pending switch takes effect once every number before it was accepted.
Route promoted(Route route);

/// The lowest number that was certainly not tried at the route's destination: behind everything assigned for
/// a queue, behind what may have arrived for an endpoint.
std::int64_t first_untried(const Route& route, std::int64_t assigned);

/// Sends the stream to `destination` from the first untried number on; a pending switch gives way to it.
Rerouted switched(const Route& route, const std::string& destination, std::int64_t assigned);

/// The rules want `wished`. Who decided otherwise since (an operator, a fallback) is followed until the rules
/// want something new.
Rerouted follow(const Route& route, const std::string& wished, std::int64_t assigned);

}  // namespace cartwright::routing
