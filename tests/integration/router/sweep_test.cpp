#include <doctest/doctest.h>

#include "tests/integration/router/stage.hpp"

using namespace cartwright;
using namespace cartwright::tests;
using amqp::Confirm;

namespace {

using Texts = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a lost doorbell is harmless: the second sweep that sees its stream behind delivers it") {
    Stage stage;
    stage.number({"a", "b"}, 4);
    stage.ring("a", {1});
    stage.router->tick();
    CHECK(stage.sellers.arrivals("a") == Numbers{1});
    stage.router->tick();
    CHECK(stage.sellers.arrivals("a") == from_to(1, 4));
    CHECK(stage.sellers.arrivals("b") == from_to(1, 4));
}

TEST_CASE("the sweep leaves alone what is merely on its way") {
    Stage stage;
    stage.number({"a"}, 9);
    for (std::int64_t number = 1; number < 9; ++number) {
        stage.ring("a", {number});
        stage.router->tick();
    }
    CHECK(stage.sellers.arrivals("a") == from_to(1, 8));
}

TEST_CASE("the sweep goes on until the end of a stream that is far behind") {
    auto config = quick();
    config.catch_up_max = 20;
    Stage stage(config);
    stage.number({"a"}, 200);
    stage.router->tick();
    stage.router->tick();
    CHECK(stage.sellers.arrivals("a") == from_to(1, 200));
}

TEST_CASE("the sweep takes a held stream up when its pause is over") {
    Stage stage;
    stage.number({"a"}, 3);
    stage.sellers.answer = [](const amqp::Outgoing&) { return Confirm::returned; };
    stage.ring("a", {1});
    sql("update seller_delivery set next_attempt_at = now() + interval '1 hour'");
    stage.sellers.answer = nullptr;
    for (int look = 0; look < 3; ++look) stage.router->tick();
    CHECK(stage.sellers.all().empty());
    Stage::let_go("a");
    for (int look = 0; look < 2; ++look) stage.router->tick();
    CHECK(stage.sellers.arrivals("a") == from_to(1, 3));
    CHECK(Stage::row("a", "trouble") == "-");
}

TEST_CASE("the sweep finishes what a turn left unfinished when its doorbell is gone") {
    auto config = quick();
    config.catch_up_max = 5;
    Stage stage(config);
    stage.number({"a"}, 12);
    CHECK(verdicts(stage.ring("a", {12})) == Texts{"again"});
    stage.router->tick();
    CHECK(stage.sellers.arrivals("a") == from_to(1, 12));
}

TEST_CASE("page by page, the sweep sees every stream") {
    auto config = quick();
    config.sweep_page_max = 7;
    config.sweep_streams_max = 3;
    Stage stage(config);
    Texts sellers;
    for (int i = 10; i < 60; ++i) sellers.push_back("seller-" + std::to_string(i));
    stage.number(sellers, 2);
    int ticks = 0;
    while (stage.sellers.all().size() < 100 && ticks < 100) {
        stage.router->tick();
        ++ticks;
    }
    CHECK(stage.sellers.all().size() == 100);
    CHECK(ticks <= 20);
    CHECK(stage.sellers.in_sequence());
}

TEST_CASE("streams that fail all the time do not keep the sweep from others") {
    auto config = quick();
    config.sweep_page_max = 5;
    config.retry_delay_min = config.retry_delay_max = std::chrono::milliseconds(10);
    Stage stage(config);
    stage.number({"a1", "a2", "a3", "a4", "a5", "a6"}, 1);
    stage.number({"z"}, 1);
    stage.sellers.answer = [](const amqp::Outgoing& message) {
        return message.message_id.starts_with("a") ? Confirm::returned : Confirm::accepted;
    };
    for (int look = 0; look < 12; ++look) stage.router->tick();
    CHECK(stage.sellers.arrivals("z") == Numbers{1});
}
