#include "common/routing/route.hpp"

#include <algorithm>

#include "common/routing/rules.hpp"

namespace cartwright::routing {

bool is_queue(std::string_view destination) {
    return destination == shared_destination || destination == own_destination;
}

Route first_route(std::string destination) {
    Route route;
    route.wished = destination;
    route.destination = std::move(destination);
    return route;
}

Route promoted(Route route) {
    if (!route.next || route.delivered + 1 < route.next->from) return route;
    route.destination = std::move(route.next->destination);
    route.next.reset();
    return route;
}

std::int64_t first_untried(const Route& route, std::int64_t assigned) {
    if (is_queue(route.destination)) return std::max(route.delivered, assigned) + 1;
    return std::max(route.delivered, route.tried) + 1;
}

Rerouted switched(const Route& route, const std::string& destination, std::int64_t assigned) {
    Rerouted result{promoted(route), std::nullopt};
    auto& now = result.route;
    const auto last = now.next ? now.next->destination : now.destination;
    if (last == destination) return result;
    if (now.destination == destination) {
        result.recorded = Switch{now.next->from, last, destination};
        now.next.reset();
        return result;
    }
    const auto from = now.next ? now.next->from : first_untried(now, assigned);
    result.recorded = Switch{from, last, destination};
    now.next = Route::Next{destination, from};
    now = promoted(std::move(now));
    return result;
}

Rerouted follow(const Route& route, const std::string& wished, std::int64_t assigned) {
    if (route.wished == wished) return {promoted(route), std::nullopt};
    auto result = switched(route, wished, assigned);
    result.route.wished = wished;
    return result;
}

}  // namespace cartwright::routing
