#include <doctest/doctest.h>

#include "common/amqp/topology.hpp"
#include "common/routing/stream.hpp"
#include "tests/integration/router/stage.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

using Texts = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("the next number is delivered from the message itself") {
    Stage stage;
    stage.number({"a", "b"}, 2);
    CHECK(verdicts(stage.ring("a", {1})) == Texts{"done"});
    CHECK(stage.sellers.arrivals("a") == Numbers{1});
    CHECK(stage.sellers.arrivals("b").empty());
    const auto sent = stage.sellers.all().at(0);
    CHECK(sent.exchange == "sellers");
    CHECK(sent.routing_key == amqp::seller_queue(routing::shared_queue_of(SellerId("a"), 8)));
    CHECK(sent.message_id == "a/main/1");
    CHECK(sent.type == message::type::seller_order);
    CHECK(sent.content_type == amqp::json_event);
    CHECK(sent.mandatory);
    CHECK(sent.body == stage.message("a", 1).raw);
    CHECK(sent.headers == amqp::Headers{{"seller", "a"}, {"stream", "main"}, {"number", std::int64_t{1}}});
}

TEST_CASE("a smaller number is a repeat and is not sent again") {
    Stage stage;
    stage.number({"a"}, 3);
    stage.ring("a", {1, 2});
    CHECK(verdicts(stage.ring("a", {2, 1, 3, 3})) == Texts{"done", "done", "done", "done"});
    CHECK(stage.sellers.arrivals("a") == Numbers{1, 2, 3});
}

TEST_CASE("a batch in any order is delivered in sequence") {
    Stage stage;
    stage.number({"a", "b"}, 4);
    std::vector<worker::Member> batch;
    for (const auto number : {4, 2, 1, 3}) {
        batch.push_back(stage.message("b", number));
        batch.push_back(stage.message("a", number));
    }
    const auto result = stage.router->handle(batch);
    CHECK(verdicts(result) == Texts(8, "done"));
    CHECK(result.outgoing.empty());
    CHECK(stage.sellers.arrivals("a") == from_to(1, 4));
    CHECK(stage.sellers.arrivals("b") == from_to(1, 4));
}

TEST_CASE("what a larger number leaves out is read from the database, byte for byte") {
    Stage stage;
    stage.number({"a"}, 6);
    CHECK(verdicts(stage.ring("a", {4, 6})) == Texts{"done", "done"});
    CHECK(stage.sellers.arrivals("a") == from_to(1, 6));
    for (const auto& sent : stage.sellers.all()) {
        const auto number = std::get<std::int64_t>(sent.headers.at(2).second);
        CHECK(sent.body == stage.message("a", number).raw);
        CHECK(sent.type == message::type::seller_order);
    }
    CHECK(verdicts(stage.ring("a", {1, 2, 3, 5})) == Texts(4, "done"));
    CHECK(stage.sellers.arrivals("a").size() == 6);
}

TEST_CASE("a long way to catch up is taken in turns") {
    auto config = quick();
    config.catch_up_max = 50;
    Stage stage(config);
    stage.number({"a", "b"}, 120);
    CHECK(verdicts(stage.ring("a", {120})) == Texts{"again"});
    CHECK(Stage::delivered("a") == 50);
    // In between somebody else has his turn.
    stage.ring("b", {1});
    CHECK(verdicts(stage.ring("a", {120})) == Texts{"again"});
    CHECK(verdicts(stage.ring("a", {120})) == Texts{"done"});
    CHECK(stage.sellers.arrivals("a") == from_to(1, 120));
}

TEST_CASE("many streams to catch up share one run") {
    auto config = quick();
    config.run_messages_max = 60;
    Stage stage(config);
    stage.number({"a", "b", "c"}, 100);
    std::vector<worker::Member> batch;
    for (const char* seller : {"a", "b", "c"}) batch.push_back(stage.message(seller, 100));
    CHECK(verdicts(stage.router->handle(batch)) == Texts(3, "again"));
    CHECK(stage.sellers.all().size() <= 63);
    for (int turn = 0; turn < 10; ++turn) stage.router->handle(batch);
    for (const char* seller : {"a", "b", "c"}) CHECK(stage.sellers.arrivals(seller) == from_to(1, 100));
}

TEST_CASE("what is no message to a seller is parked and disturbs nobody") {
    Stage stage;
    stage.number({"a"}, 1);
    const auto result = stage.router->handle(std::vector{ready("o", {"a"}), stage.message("a", 1)});
    CHECK(verdicts(result) == Texts{"park", "done"});
    CHECK(stage.sellers.arrivals("a") == Numbers{1});
}

TEST_CASE("a number that nobody gave waits, and holds up nobody") {
    Stage stage;
    stage.number({"a"}, 3);
    sql("delete from seller_message where number = 2");
    CHECK(verdicts(stage.ring("a", {1, 3})) == Texts{"done", "later"});
    CHECK(Stage::delivered("a") == 1);
    CHECK(Stage::row("a", "next_attempt_at") == "-");
    CHECK(verdicts(stage.ring("a", {2})) == Texts{"done"});
    CHECK(verdicts(stage.router->handle(from_ladder(stage.messages("a", {3})))) == Texts{"done"});
    CHECK(stage.sellers.arrivals("a") == from_to(1, 3));
}
