#include "common/routing/route.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <vector>

using namespace cartwright::routing;

namespace {

Route route(const char* destination, std::int64_t delivered, std::int64_t tried = 0) {
    auto one = first_route(destination);
    one.delivered = delivered;
    one.tried = tried;
    return one;
}

}  // namespace

TEST_CASE("a stream of a queue is switched behind everything that was assigned") {
    const auto result = follow(route("shared", 4), "own", 9);
    CHECK(result.route.destination == "shared");
    CHECK(result.route.wished == "own");
    CHECK(result.route.next == Route::Next{"own", 10});
    CHECK(result.recorded == Switch{10, "shared", "own"});
    CHECK(promoted(result.route) == result.route);
    auto reached = result.route;
    reached.delivered = 9;
    CHECK(promoted(reached).destination == "own");
    CHECK_FALSE(promoted(reached).next);
}

TEST_CASE("a stream that has delivered everything is switched at once") {
    const auto result = follow(route("shared", 9), "api", 9);
    CHECK(result.route.destination == "api");
    CHECK_FALSE(result.route.next);
    CHECK(result.recorded == Switch{10, "shared", "api"});
}

TEST_CASE("a stream of an endpoint is switched behind what may have arrived there") {
    CHECK(follow(route("api", 4), "shared", 9).recorded == Switch{5, "api", "shared"});
    CHECK(follow(route("api", 4), "shared", 9).route.destination == "shared");
    CHECK(follow(route("api", 4, 6), "shared", 9).recorded == Switch{7, "api", "shared"});
    CHECK(follow(route("api", 4, 6), "shared", 9).route.destination == "api");
    CHECK(follow(route("api", 4, 2), "shared", 9).route.destination == "shared");
}

TEST_CASE("a pending switch keeps its number when the rules change their mind again") {
    const auto first = follow(route("shared", 4), "own", 9).route;
    const auto second = follow(first, "api", 12);
    CHECK(second.route.next == Route::Next{"api", 10});
    CHECK(second.recorded == Switch{10, "own", "api"});
    const auto back = follow(second.route, "shared", 15);
    CHECK_FALSE(back.route.next);
    CHECK(back.route.destination == "shared");
    CHECK(back.recorded == Switch{10, "api", "shared"});
}

TEST_CASE("an operator's switch stays until the rules want something new") {
    const auto by_hand = switched(route("api", 4), "shared", 9).route;
    CHECK(by_hand.wished == "api");
    CHECK_FALSE(follow(by_hand, "api", 9).recorded);
    CHECK(follow(by_hand, "own", 9).recorded);
}

TEST_CASE("whatever is decided, no number is ever tried at two destinations") {
    const std::vector<std::string> destinations{"shared", "own", "api", "other"};
    for (unsigned seed = 0; seed < 3'000; ++seed) {
        std::mt19937 random(seed);
        const auto upto = [&](std::int64_t most) {
            return static_cast<std::int64_t>(random() % static_cast<unsigned>(most + 1));
        };
        auto now = first_route(destinations[random() % 4]);
        std::map<std::int64_t, std::string> tried;
        std::int64_t assigned = 0;
        for (int step = 0; step < 60; ++step) {
            assigned += upto(3);
            now = promoted(std::move(now));
            switch (random() % 4) {
                case 0:
                    now = follow(now, destinations[random() % 4], assigned).route;
                    break;
                case 1:
                    now = switched(now, destinations[random() % 4], assigned).route;
                    break;
                default: {
                    // A run: some numbers are tried, the process may die before it says how far it came.
                    const auto end = std::min(assigned, now.next ? now.next->from - 1 : assigned);
                    const auto last = std::min(end, now.delivered + upto(4));
                    for (auto number = now.delivered + 1; number <= last; ++number) {
                        const auto [place, first] = tried.emplace(number, now.destination);
                        REQUIRE_MESSAGE(place->second == now.destination, "seed ", seed, " number ", number);
                    }
                    if (!is_queue(now.destination)) now.tried = std::max(now.tried, last);
                    if (random() % 3 > 0) now.delivered = last;
                }
            }
        }
    }
}
