#include <doctest/doctest.h>

#include "common/amqp/topology.hpp"
#include "common/outcome/trouble.hpp"
#include "common/routing/stream.hpp"
#include "tests/integration/router/stage.hpp"

using namespace cartwright;
using namespace cartwright::tests;
using amqp::Confirm;

namespace {

using Texts = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

bool is(const amqp::Outgoing& message, const std::string& seller, std::int64_t number) {
    return message.message_id == seller + "/main/" + std::to_string(number);
}

std::string queue_of(const std::string& seller) {
    return amqp::seller_queue(routing::shared_queue_of(SellerId(seller), 8));
}

}  // namespace

TEST_CASE("a return in the middle of a run ends it there and holds the stream, and no other") {
    for (const auto confirm : {Confirm::returned, Confirm::refused, Confirm::unknown}) {
        CAPTURE(static_cast<int>(confirm));
        Stage stage;
        stage.number({"a", "b"}, 5);
        bool broken = true;
        stage.sellers.answer = [&](const amqp::Outgoing& message) {
            return broken && is(message, "a", 3) ? confirm : Confirm::accepted;
        };
        std::vector<worker::Member> batch = stage.messages("a", from_to(1, 4));
        batch.push_back(stage.message("b", 5));
        CHECK(verdicts(stage.router->handle(batch)) == Texts{"done", "done", "done", "later", "done"});
        CHECK(Stage::delivered("a") == 2);
        CHECK(Stage::delivered("b") == 5);
        CHECK(Stage::row("a", "attempts") == "1");
        CHECK(Stage::row("a", "trouble") != "-");
        CHECK(Stage::row("b", "next_attempt_at") == "-");
        CHECK(number("select count(*) from seller_delivery where next_attempt_at > failing_since") == 1);
    }
}

TEST_CASE("whoever rings for a held stream is done; only its own doorbell stays on the ladder") {
    Stage stage;
    stage.number({"a"}, 6);
    stage.sellers.answer = [](const amqp::Outgoing&) { return Confirm::returned; };
    CHECK(verdicts(stage.ring("a", {1})) == Texts{"later"});
    sql("update seller_delivery set next_attempt_at = now() + interval '1 hour'");
    stage.sellers.answer = nullptr;
    CHECK(verdicts(stage.ring("a", {2, 3})) == Texts{"done", "done"});
    CHECK(verdicts(stage.router->handle(from_ladder(stage.messages("a", {1})))) == Texts{"later"});
    CHECK(stage.sellers.all().empty());
}

TEST_CASE(
    "a held stream restarts with one message and goes on to its end, though its other doorbells are gone") {
    Stage stage;
    stage.number({"a"}, 30);
    stage.sellers.answer = [](const amqp::Outgoing&) { return Confirm::returned; };
    CHECK(verdicts(stage.ring("a", {1})) == Texts{"later"});
    sql("update seller_delivery set next_attempt_at = now() + interval '1 hour'");
    CHECK(verdicts(stage.ring("a", from_to(2, 30))) == Texts(29, "done"));
    Stage::let_go("a");

    SUBCASE("it still fails") {
        CHECK(verdicts(stage.router->handle(from_ladder(stage.messages("a", {1})))) == Texts{"later"});
        CHECK(Stage::row("a", "attempts") == "2");
        CHECK(stage.sellers.all().empty());
    }
    SUBCASE("its doorbell comes back") {
        stage.sellers.answer = nullptr;
        const auto doorbell = from_ladder(stage.messages("a", {1}));
        CHECK(verdicts(stage.router->handle(doorbell)) == Texts{"again"});
        CHECK(stage.sellers.arrivals("a") == Numbers{1});
        CHECK(Stage::row("a", "attempts") == "0");
        CHECK(Stage::row("a", "trouble") == "-");
        CHECK(Stage::row("a", "next_attempt_at") == "-");
        CHECK(verdicts(stage.router->handle(doorbell)) == Texts{"done"});
        CHECK(stage.sellers.arrivals("a") == from_to(1, 30));
    }
    SUBCASE("the message that made the hold was delivered meanwhile") {
        sql("update seller_delivery set last_delivered = 4");
        stage.sellers.answer = nullptr;
        const auto doorbell = from_ladder(stage.messages("a", {1}));
        for (int turn = 0; turn < 2; ++turn)
            CHECK(verdicts(stage.router->handle(doorbell)) == Texts{"again"});
        CHECK(verdicts(stage.router->handle(doorbell)) == Texts{"done"});
        CHECK(stage.sellers.arrivals("a") == from_to(5, 30));
    }
}

TEST_CASE("when the broker is away the lane waits: nothing is claimed, no stream is held") {
    Stage stage;
    stage.number({"a"}, 2);
    stage.sellers.trouble = "not connected";
    CHECK_THROWS_AS(stage.ring("a", {1, 2}), outcome::Unavailable);
    CHECK(Stage::row("a", "last_delivered") == "no row");
    stage.sellers.trouble.clear();
    CHECK(verdicts(stage.ring("a", {1, 2})) == Texts{"done", "done"});
}

TEST_CASE("when the broker goes away in the middle, what it has is committed and the rest comes again") {
    Stage stage;
    stage.number({"a", "b"}, 3);
    stage.sellers.answer = [&](const amqp::Outgoing& message) {
        if (is(message, "a", 2)) stage.sellers.trouble = "connection lost";
        if (stage.sellers.trouble.empty()) return Confirm::accepted;
        return is(message, "a", 2) ? Confirm::unknown : Confirm::unsent;
    };
    auto batch = stage.messages("a", from_to(1, 3));
    for (const auto& member : stage.messages("b", from_to(1, 3))) batch.push_back(member);
    CHECK_THROWS_AS(stage.router->handle(batch), outcome::Unavailable);
    CHECK(Stage::delivered("a") == 1);
    CHECK(Stage::delivered("b") == 0);
    CHECK(number("select count(*) from seller_delivery where next_attempt_at is not null or attempts > 0") ==
          0);
    stage.sellers.answer = nullptr;
    stage.sellers.trouble.clear();
    CHECK(verdicts(stage.router->handle(batch)) == Texts(6, "done"));
    CHECK(stage.sellers.arrivals("a") == from_to(1, 3));
    CHECK(stage.sellers.arrivals("b") == from_to(1, 3));
}

TEST_CASE("streams of a queue that is too deep wait, others flow") {
    Stage stage;
    stage.number({"a", "b"}, 3);
    REQUIRE(queue_of("a") != queue_of("b"));
    stage.sellers.depths[queue_of("a")] = stage.config.seller_queue_depth_max + 1;
    auto batch = stage.messages("a", {1, 2});
    batch.push_back(stage.message("b", 1));
    CHECK(verdicts(stage.router->handle(batch)) == Texts{"done", "later", "done"});
    CHECK(Stage::row("a", "attempts") == "0");
    CHECK(Stage::row("a", "trouble").find("holds 10000001 messages") != std::string::npos);
    CHECK(stage.sellers.arrivals("a").empty());
    CHECK(stage.sellers.arrivals("b") == Numbers{1});

    stage.sellers.depths.clear();
    Stage::let_go("a");
    const auto another = stage.another_router();
    const auto doorbell = from_ladder(stage.messages("a", {2}));
    CHECK(verdicts(another->handle(doorbell)) == Texts{"again"});
    CHECK(stage.sellers.arrivals("a") == Numbers{1, 2});
    CHECK(verdicts(another->handle(doorbell)) == Texts{"done"});
    CHECK(stage.sellers.arrivals("a") == from_to(1, 3));
}

TEST_CASE("a queue that does not confirm rests, so that its streams do not make others wait") {
    Stage stage;
    stage.number({"a", "b"}, 2);
    int asked = 0;
    stage.sellers.answer = [&](const amqp::Outgoing& message) {
        if (message.routing_key != queue_of("a")) return Confirm::accepted;
        ++asked;
        return Confirm::unknown;
    };
    CHECK(verdicts(stage.ring("a", {1})) == Texts{"later"});
    Stage::let_go("a");
    CHECK(verdicts(stage.router->handle(from_ladder(stage.messages("a", {1})))) == Texts{"later"});
    CHECK(verdicts(stage.ring("b", {1})) == Texts{"done"});
    CHECK(asked == 1);
    CHECK(Stage::row("a", "trouble") == "queue " + queue_of("a") + " does not confirm");
}

TEST_CASE("a death between publish and commit is followed by an exact repeat") {
    Stage stage;
    stage.number({"a"}, 5);
    stage.ring("a", {1});
    stage.sellers.dies_after = [](std::size_t) { return std::size_t{3}; };
    CHECK_THROWS_AS(stage.ring("a", {2, 3, 4, 5}), Death);
    CHECK(Stage::delivered("a") == 1);
    stage.sellers.dies_after = nullptr;
    stage.router = stage.another_router();
    CHECK(verdicts(stage.ring("a", {5})) == Texts{"done"});
    CHECK(stage.sellers.arrivals("a") == Numbers{1, 2, 3, 4, 2, 3, 4, 5});
    std::map<std::string, std::string> bodies;
    for (const auto& sent : stage.sellers.all()) {
        CHECK(bodies.try_emplace(sent.message_id, sent.body).first->second == sent.body);
    }
}
