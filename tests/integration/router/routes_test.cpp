// Streams change their destination only at a number that was tried nowhere else.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <thread>

#include "tests/integration/router/stage.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

/// Destination by number, of everything that a seller's queues took; a number at two of them fails the test.
std::map<std::int64_t, std::string> places(Stage& stage, const std::string& seller) {
    std::map<std::int64_t, std::string> found;
    for (const auto& message : stage.sellers.all()) {
        std::string of;
        std::int64_t number = 0;
        for (const auto& [key, value] : message.headers) {
            if (key == "seller") of = std::get<std::string>(value);
            if (key == "number") number = std::get<std::int64_t>(value);
        }
        if (of != seller) continue;
        const auto where = message.routing_key.starts_with("seller.") ? "own" : "shared";
        const auto [place, first] = found.emplace(number, where);
        CHECK_MESSAGE(place->second == where, "number ", number, " went to two destinations");
    }
    return found;
}

std::vector<std::string> switches(const std::string& seller) {
    return sql(
        "select from_number || ' ' || previous || ' ' || destination from seller_switch where seller_id = '" +
        seller + "' order by decided_at");
}

}  // namespace

TEST_CASE("a changed rule takes effect behind everything that was assigned") {
    Stage stage;
    stage.number({"s1"}, 6);
    stage.ring("s1", {1, 2});
    stage.change_rules(Stage::rules_of("2", {{"s1", "own"}}));
    stage.ring("s1", {3, 4});
    CHECK(switches("s1") == std::vector<std::string>{"7 shared own"});
    stage.number({"s1"}, 3);
    stage.ring("s1", {5, 6, 7, 8, 9});
    const std::map<std::int64_t, std::string> expected{{1, "shared"}, {2, "shared"}, {3, "shared"},
                                                       {4, "shared"}, {5, "shared"}, {6, "shared"},
                                                       {7, "own"},    {8, "own"},    {9, "own"}};
    CHECK(places(stage, "s1") == expected);
    CHECK(stage.sellers.in_sequence());
    CHECK(stage.sellers.declared() == std::vector<std::string>{"seller.s1"});
    CHECK(Stage::row("s1", "destination") == "own");
    CHECK(Stage::row("s1", "next_from") == "-");
}

TEST_CASE("a number that was tried before a crash stays where it was tried") {
    Stage stage;
    stage.number({"s1"}, 4);
    stage.ring("s1", {1});
    stage.sellers.dies_after = [](std::size_t size) { return size; };
    CHECK_THROWS_AS(stage.ring("s1", {2, 3}), Death);
    stage.sellers.dies_after = nullptr;
    stage.change_rules(Stage::rules_of("2", {{"s1", "own"}}));
    stage.router = stage.another_router();
    stage.ring("s1", {2, 3, 4});
    stage.number({"s1"}, 1);
    stage.ring("s1", {5});
    const std::map<std::int64_t, std::string> expected{
        {1, "shared"}, {2, "shared"}, {3, "shared"}, {4, "shared"}, {5, "own"}};
    CHECK(places(stage, "s1") == expected);
}

TEST_CASE("a new stream begins where the rules say") {
    Stage stage;
    stage.change_rules(Stage::rules_of("2", {{"s1", "own"}}));
    stage.number({"s1", "s2"}, 2);
    stage.ring("s1", {1, 2});
    stage.ring("s2", {1, 2});
    CHECK(places(stage, "s1") == std::map<std::int64_t, std::string>{{1, "own"}, {2, "own"}});
    CHECK(places(stage, "s2") == std::map<std::int64_t, std::string>{{1, "shared"}, {2, "shared"}});
    CHECK(switches("s1").empty());
}

TEST_CASE("a replica that still has older rules follows what the newer ones recorded, and changes nothing") {
    Stage stage;
    stage.number({"s1"}, 2);
    auto old = stage.router_with(Stage::rules_of("1", {}));
    old->handle(stage.messages("s1", {1, 2}));
    auto newer = stage.router_with(Stage::rules_of("2", {{"s1", "own"}}));
    newer->handle(stage.messages("s1", {2}));
    stage.number({"s1"}, 8);
    CHECK(switches("s1") == std::vector<std::string>{"3 shared own"});
    for (std::int64_t number = 3; number <= 10; ++number) {
        (number % 2 == 0 ? old : newer)->handle(stage.messages("s1", {number}));
    }
    CHECK(switches("s1").size() == 1);
    CHECK(places(stage, "s1").at(10) == "own");
    CHECK(stage.sellers.in_sequence());
}

TEST_CASE("rules that change back and forth under two routers, with deaths: no number at two destinations") {
    for (unsigned seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        Stage stage;
        auto second = stage.another_router();
        std::int64_t assigned = 0;
        for (int step = 0; step < 40; ++step) {
            if (random() % 3 == 0) {
                stage.number({"s1"}, 1 + static_cast<int>(random() % 3));
                assigned = number("select last_assigned from seller_stream where seller_id = 's1'");
            }
            if (random() % 5 == 0) {
                const auto version = "v" + std::to_string(random() % 3);
                stage.change_rules(Stage::rules_of(version, {{"s1", version == "v0" ? "shared" : "own"}}));
            }
            if (assigned == 0) continue;
            if (random() % 6 == 0) {
                stage.sellers.dies_after = [&](std::size_t size) { return random() % (size + 1); };
            }
            auto& router = random() % 2 == 0 ? stage.router : second;
            const auto last = 1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(assigned));
            try {
                router->handle(stage.messages("s1", {last}));
            } catch (const Death&) {
                stage.sellers.dies_after = nullptr;
                router = stage.another_router();
            }
            stage.sellers.dies_after = nullptr;
        }
        if (assigned == 0) continue;
        for (int i = 0; i < 5; ++i) stage.router->handle(stage.messages("s1", {assigned}));
        CHECK(Stage::delivered("s1") == assigned);
        CHECK(static_cast<std::int64_t>(places(stage, "s1").size()) == assigned);
        CHECK(stage.sellers.in_sequence());
    }
}

TEST_CASE("a seller's own queue that is gone is declared again") {
    Stage stage;
    stage.change_rules(Stage::rules_of("2", {{"s1", "own"}}));
    stage.number({"s1"}, 3);
    stage.ring("s1", {1});
    stage.sellers.answer = [](const amqp::Outgoing&) { return amqp::Confirm::returned; };
    stage.ring("s1", {2});
    CHECK(Stage::row("s1", "refused") == "2");
    CHECK(Stage::row("s1", "held_for") == "failing");
    stage.sellers.answer = nullptr;
    Stage::let_go("s1");
    stage.ring("s1", {2, 3});
    stage.ring("s1", {3});
    CHECK(stage.sellers.declared().size() == 2);
    CHECK(stage.sellers.arrivals("s1") == from_to(1, 3));
    CHECK(Stage::row("s1", "refused") == "-");
    CHECK(Stage::row("s1", "held_for") == "-");
}

TEST_CASE("a replaced message is delivered from the database, not from a doorbell that is older") {
    Stage stage;
    stage.number({"s1"}, 2);
    const auto doorbells = stage.messages("s1", {1, 2});
    stage.ring("s1", {1});
    sql("update seller_message set body = '{\"replaced\":1}', kind = 'cartwright.seller.voided.v1' where "
        "number = 2; "
        "update seller_delivery set replaced = 2");
    stage.router->handle(doorbells);
    const auto arrived = stage.sellers.all();
    REQUIRE(arrived.size() == 2);
    CHECK(arrived[1].body == "{\"replaced\":1}");
    CHECK(arrived[1].type == "cartwright.seller.voided.v1");
}
