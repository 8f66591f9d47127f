// Streams of HTTP endpoints: in sequence, under leases, whatever the endpoints do.
#include <doctest/doctest.h>

#include <atomic>
#include <set>

#include "tests/integration/router/hook.hpp"
#include "tests/integration/router/stage.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

http::Response status(int code) {
    return http::Response{.status = code};
}

/// A stage whose sellers go to destinations of the hook by their own names.
struct Endpoints {
    Hook hook;
    Stage stage{impatient()};

    static router::Config impatient() {
        auto config = quick();
        config.endpoints.retry_delay_min = std::chrono::milliseconds(20);
        config.endpoints.retry_delay_max = std::chrono::milliseconds(100);
        config.endpoints.catch_up_max = 5;
        return config;
    }

    routing::RuleSet rules(const std::string& version, const std::vector<std::string>& sellers) {
        std::map<std::string, std::string> places;
        for (const auto& seller : sellers) places[seller] = seller + "-api";
        auto rules = Stage::rules_of(version, places);
        for (const auto& seller : sellers)
            rules.destinations[seller + "-api"] = hook.destination(seller + "-api");
        return rules;
    }
    void go(const std::vector<std::string>& sellers) { stage.change_rules(rules("api", sellers)); }
    std::vector<std::int64_t> accepted(const std::string& seller) {
        return hook.accepted("/" + seller + "-api");
    }
    bool delivers(const std::string& seller, std::int64_t last) {
        return comes_true([&] { return Stage::row(seller, "last_delivered") == std::to_string(last); });
    }
};

}  // namespace

TEST_CASE("an endpoint gets the stored bytes, signed, in sequence") {
    Endpoints here;
    here.go({"s1"});
    here.stage.number({"s1"}, 12);
    const auto doorbells = here.stage.messages("s1", from_to(1, 12));
    CHECK(verdicts(here.stage.router->handle(doorbells)) == std::vector<std::string>(12, "done"));
    REQUIRE(here.delivers("s1", 12));
    CHECK(here.accepted("s1") == from_to(1, 12));
    const auto received = here.hook.received("/s1-api");
    for (std::size_t i = 0; i < received.size(); ++i) {
        CHECK(received[i].id == "s1/main/" + std::to_string(i + 1));
        CHECK(received[i].body == doorbells[i].raw);
        CHECK(received[i].signature_fits);
    }
    CHECK(here.stage.sellers.all().empty());
    CHECK(Stage::row("s1", "lease_until") == "-");
    CHECK(Stage::row("s1", "tried") == "0");
}

TEST_CASE("a failing endpoint is tried again, one message at a time, and catches up in sequence") {
    Endpoints here;
    here.go({"s1"});
    std::atomic<int> failures = 5;
    here.hook.answers([&](const Received&) { return failures-- > 0 ? status(503) : status(200); });
    here.stage.number({"s1"}, 30);
    here.stage.ring("s1", from_to(1, 30));
    REQUIRE(here.delivers("s1", 30));
    CHECK(here.accepted("s1") == from_to(1, 30));
    const auto received = here.hook.received("/s1-api");
    for (std::size_t i = 0; i < 5; ++i) CHECK(received[i].id == "s1/main/1");
    CHECK(Stage::row("s1", "attempts") == "0");
    CHECK(Stage::row("s1", "held_for") == "-");
}

TEST_CASE("what an endpoint refuses for good blocks its own stream until it is resumed") {
    Endpoints here;
    here.go({"s1", "s2"});
    std::atomic<bool> mended = false;
    here.hook.answers(
        [&](const Received& got) { return got.id == "s1/main/3" && !mended ? status(422) : status(200); });
    here.stage.number({"s1", "s2"}, 6);
    here.stage.ring("s1", from_to(1, 6));
    here.stage.ring("s2", from_to(1, 6));
    REQUIRE(here.delivers("s2", 6));
    REQUIRE(comes_true([] { return Stage::row("s1", "held_for") == "refused"; }));
    CHECK(Stage::row("s1", "next_attempt_at") == "infinity");
    CHECK(Stage::row("s1", "refused") == "3");
    CHECK(Stage::row("s1", "doubtful") == "0");
    CHECK(verdicts(here.stage.ring("s1", {6})) == std::vector<std::string>{"done"});
    mended = true;
    sql("update seller_delivery set next_attempt_at = null where seller_id = 's1'");
    here.stage.ring("s1", {6});
    REQUIRE(here.delivers("s1", 6));
    CHECK(here.accepted("s1") == from_to(1, 6));
}

TEST_CASE("an endpoint that wants nothing any more is gone") {
    Endpoints here;
    here.go({"s1"});
    here.hook.answers([](const Received&) { return status(410); });
    here.stage.number({"s1"}, 2);
    here.stage.ring("s1", {1, 2});
    REQUIRE(comes_true([] { return Stage::row("s1", "held_for") == "gone"; }));
    CHECK(Stage::row("s1", "next_attempt_at") == "infinity");
    CHECK(here.hook.received("/s1-api").size() == 1);
}

TEST_CASE("a dead endpoint's orders wait, and go in sequence when it is back") {
    Endpoints here;
    here.go({"s1"});
    here.stage.number({"s1"}, 3);
    here.stage.ring("s1", from_to(1, 3));
    REQUIRE(here.delivers("s1", 3));
    here.hook.die();
    here.stage.number({"s1"}, 40);
    here.stage.ring("s1", from_to(4, 43));
    REQUIRE(comes_true([] { return Stage::row("s1", "held_for") == "failing"; }));
    CHECK(Stage::row("s1", "doubtful") == "0");
    here.hook.return_to_life();
    REQUIRE(here.delivers("s1", 43));
    CHECK(here.accepted("s1") == from_to(1, 43));
}

TEST_CASE("a dead endpoint falls back after its time, from the first number that it did not get") {
    Endpoints here;
    auto rules = here.rules("api", {"s1"});
    rules.destinations["s1-api"].fallback = routing::Fallback{"shared", std::chrono::milliseconds(300)};
    here.stage.change_rules(rules);
    here.stage.number({"s1"}, 3);
    here.stage.ring("s1", from_to(1, 3));
    REQUIRE(here.delivers("s1", 3));
    here.hook.die();
    here.stage.number({"s1"}, 5);
    here.stage.ring("s1", from_to(4, 8));
    REQUIRE(comes_true([] { return Stage::row("s1", "destination") == "shared"; }));
    REQUIRE(comes_true([&] {
        here.stage.router->tick();
        return Stage::row("s1", "last_delivered") == "8";
    }));
    CHECK(here.accepted("s1") == from_to(1, 3));
    CHECK(here.stage.sellers.arrivals("s1") == from_to(4, 8));
    CHECK(sql("select from_number || previous || destination || decided_by from seller_switch") ==
          std::vector<std::string>{"4s1-apisharedfallback"});
    // It stays there until the rules want something new.
    here.hook.return_to_life();
    here.stage.number({"s1"}, 1);
    here.stage.ring("s1", {9});
    CHECK(here.stage.sellers.arrivals("s1") == from_to(4, 9));
}

TEST_CASE("what may have arrived stays where it was tried, also when the stream falls back") {
    std::atomic<bool> slow = true;
    Endpoints here;
    auto rules = here.rules("api", {"s1"});
    auto& api = rules.destinations["s1-api"];
    api.endpoint.total_timeout = std::chrono::milliseconds(500);
    api.fallback = routing::Fallback{"shared", std::chrono::milliseconds(200)};
    here.stage.change_rules(rules);
    here.hook.answers([&](const Received&) {
        comes_true([&] { return !slow; });
        return status(200);
    });
    here.stage.number({"s1"}, 4);
    here.stage.ring("s1", from_to(1, 4));
    REQUIRE(comes_true([] { return Stage::row("s1", "next_from") == "2"; }));
    CHECK(Stage::row("s1", "doubtful") == "1");
    CHECK(Stage::row("s1", "destination") == "s1-api");
    slow = false;
    REQUIRE(comes_true([&] {
        here.stage.router->tick();
        return Stage::row("s1", "last_delivered") == "4";
    }));
    CHECK(here.stage.sellers.arrivals("s1") == from_to(2, 4));
    for (const auto& got : here.hook.received("/s1-api")) CHECK(got.id == "s1/main/1");
}

TEST_CASE("a rule sends a stream from the shared queues to an endpoint and back") {
    Endpoints here;
    here.stage.number({"s1"}, 4);
    here.stage.ring("s1", {1, 2});
    here.go({"s1"});
    here.stage.ring("s1", {3, 4});
    here.stage.number({"s1"}, 4);
    here.stage.ring("s1", from_to(5, 8));
    REQUIRE(here.delivers("s1", 8));
    here.stage.change_rules(Stage::rules_of("back", {}));
    here.stage.number({"s1"}, 2);
    here.stage.ring("s1", {9, 10});
    REQUIRE(comes_true([&] {
        here.stage.router->tick();
        return Stage::row("s1", "last_delivered") == "10";
    }));
    CHECK(here.accepted("s1") == from_to(5, 8));
    CHECK(here.stage.sellers.arrivals("s1") == std::vector<std::int64_t>{1, 2, 3, 4, 9, 10});
}

TEST_CASE(
    "a stream that reaches its switch in the turn in which another begins goes to its new destination") {
    Endpoints here;
    here.stage.number({"s1"}, 3);
    auto second = here.stage.another_router();
    here.stage.ring("s1", {1, 2});
    here.go({"s1"});
    here.stage.ring("s1", {2});
    CHECK(Stage::row("s1", "next_from") == "4");
    second->handle(here.stage.messages("s1", {3}));
    here.stage.number({"s1", "new"}, 1);
    auto batch = here.stage.messages("s1", {4});
    batch.push_back(here.stage.message("new", 1));
    here.stage.router->handle(batch);
    REQUIRE(here.delivers("s1", 4));
    CHECK(here.stage.sellers.arrivals("s1") == from_to(1, 3));
    CHECK(here.accepted("s1") == from_to(4, 4));
    CHECK(here.stage.sellers.arrivals("new") == from_to(1, 1));
}

TEST_CASE("a lease is one router's: whoever died leaves it to run out, whoever froze commits nothing") {
    Endpoints here;
    here.go({"s1"});
    here.stage.number({"s1"}, 3);
    sql("insert into seller_delivery (seller_id, stream, destination, wished, last_delivered, tried, "
        "lease_epoch, "
        "lease_until) values ('s1', 'main', 's1-api', 's1-api', 1, 2, 7, now() + interval '1 hour')");
    here.stage.ring("s1", {1, 2, 3});
    here.stage.router->tick();
    sql("update seller_delivery set lease_until = now() - interval '1 second'");
    here.stage.router->tick();
    here.stage.router->tick();
    REQUIRE(here.delivers("s1", 3));
    CHECK(here.accepted("s1") == from_to(2, 3));
    // The frozen holder of epoch 7 wakes up: its epoch is over.
    CHECK(sql("update seller_delivery set last_delivered = 9 where seller_id = 's1' and lease_epoch = 7 "
              "returning 1")
              .empty());
    CHECK(Stage::row("s1", "doubtful") == "2");
}

TEST_CASE("several routers share endpoints: first arrivals are in sequence, every number is exact") {
    Endpoints here;
    std::vector<std::string> sellers;
    for (int i = 0; i < 12; ++i) sellers.push_back("s" + std::to_string(i));
    here.go(sellers);
    auto second = here.stage.another_router();
    auto third = here.stage.another_router();
    std::atomic<unsigned> count = 0;
    here.hook.answers([&](const Received&) { return ++count % 7 == 0 ? status(500) : status(200); });
    for (int round = 0; round < 10; ++round) {
        here.stage.number(sellers, 3);
        for (const auto& seller : sellers) {
            const auto first = round * 3 + 1;
            here.stage.router->handle(here.stage.messages(seller, {first}));
            second->handle(here.stage.messages(seller, {first + 1}));
            third->handle(here.stage.messages(seller, {first + 2}));
        }
    }
    for (const auto& seller : sellers) {
        REQUIRE(comes_true([&] {
            here.stage.router->tick();
            return Stage::row(seller, "last_delivered") == "30";
        }));
        std::set<std::int64_t> seen;
        for (const auto number : here.accepted(seller)) {
            if (!seen.contains(number)) CHECK(number == static_cast<std::int64_t>(seen.size()) + 1);
            seen.insert(number);
        }
        CHECK(seen.size() == 30);
    }
}

TEST_CASE("a slow endpoint delays nobody else") {
    std::atomic<bool> stall = true;
    Endpoints here;
    Hook slow;
    std::vector<std::string> sellers;
    for (int i = 0; i < 50; ++i) sellers.push_back("s" + std::to_string(i));
    auto rules = here.rules("api", sellers);
    for (int i = 0; i < 10; ++i) {
        auto& destination = rules.destinations["s" + std::to_string(i) + "-api"];
        destination.endpoint.url = slow.destination(destination.name).endpoint.url;
        destination.endpoint.total_timeout = std::chrono::seconds(30);
    }
    here.stage.change_rules(rules);
    slow.answers([&](const Received&) {
        comes_true([&] { return !stall; });
        return status(200);
    });
    here.stage.number(sellers, 10);
    for (const auto& seller : sellers) here.stage.ring(seller, from_to(1, 10));
    for (std::size_t i = 10; i < sellers.size(); ++i) REQUIRE(here.delivers(sellers[i], 10));
    for (std::size_t i = 0; i < 10; ++i) CHECK(Stage::delivered(sellers[i]) == 0);
    stall = false;
    for (std::size_t i = 0; i < 10; ++i) REQUIRE(here.delivers(sellers[i], 10));
}

TEST_CASE("a destination that the rules lost holds its stream until it is back") {
    Endpoints here;
    here.go({"s1"});
    here.stage.number({"s1"}, 1);
    here.stage.ring("s1", {1});
    REQUIRE(here.delivers("s1", 1));
    here.stage.number({"s1"}, 1);
    sql("update seller_delivery set destination = 'lost-api'");
    here.stage.ring("s1", {2});
    REQUIRE(comes_true([] { return Stage::row("s1", "held_for") == "unknown_destination"; }));
    CHECK(here.accepted("s1") == from_to(1, 1));
}

TEST_CASE("a router that is told to finish waits for the calls under way") {
    Endpoints here;
    here.go({"s1"});
    std::atomic<bool> called = false;
    here.hook.answers([&](const Received&) {
        called = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        return status(200);
    });
    here.stage.number({"s1"}, 5);
    here.stage.ring("s1", from_to(1, 5));
    REQUIRE(comes_true([&] { return called.load(); }));
    here.stage.router->finish(std::chrono::steady_clock::now() + std::chrono::seconds(10));
    CHECK(Stage::row("s1", "last_delivered") == "1");
    CHECK(Stage::row("s1", "lease_until") == "-");
    CHECK(here.accepted("s1") == from_to(1, 1));
}
