#include "common/amqp/control.hpp"

#include <doctest/doctest.h>

#include "common/outcome/trouble.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"
#include "tests/integration/amqp/tcp_gate.hpp"

namespace cartwright::amqp::tests {
namespace {

TEST_CASE("exchanges and queues are found or not") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    const auto fanout = broker.exchange("fanout");
    Control control(settings());
    CHECK(control.exchange_exists(fanout));
    CHECK_FALSE(control.exchange_exists(random_name()));
    CHECK(control.queue_depth(random_name()) == std::nullopt);
    CHECK(control.queue_depth(queue) == 0);
    broker.publish(queue, numbered(3));
    CHECK(eventually([&] { return control.queue_depth(queue) == 3; }));
}

TEST_CASE("what is got stays until it is acknowledged or everything is given back") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, {"a", "b", ""});
    Control control(settings());
    const auto first = control.get(queue);
    REQUIRE(first);
    CHECK(first->body == "a");
    CHECK(first->queue == queue);
    CHECK_FALSE(control.exchange_exists(random_name()));
    CHECK_THROWS_AS(Control(settings()).get(random_name()), outcome::Refused);
    const auto second = control.get(queue);
    REQUIRE(second);
    CHECK(second->body == "b");
    const auto third = control.get(queue);
    REQUIRE(third);
    CHECK(third->body.empty());
    CHECK_FALSE(control.get(queue));
    control.acknowledge(second->token);
    control.acknowledge(second->token);
    control.close();
    CHECK(eventually([&] { return broker.depth(queue) == 2; }));
    control.acknowledge(first->token);
    const auto again = control.get(queue);
    REQUIRE(again);
    CHECK(again->body == "a");
    CHECK(again->delivery_count == 1);
    CHECK(again->token.generation != first->token.generation);
}

TEST_CASE("publishing one tells what became of it") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    const auto full =
        broker.quorum_queue({{"x-max-length", std::int64_t{1}}, {"x-overflow", "reject-publish"}});
    broker.publish(full, {"one", "two"});
    Control control(settings());
    CHECK(control.publish(message_to(queue, "a")) == std::nullopt);
    CHECK(control.publish(message_to(random_name(), "b")).value_or("").find("NO_ROUTE") != std::string::npos);
    CHECK(control.publish(message_to(full, "c")).value_or("").find("refused") != std::string::npos);
    auto wrong = message_to("key", "d");
    wrong.exchange = random_name("test-exchange");
    CHECK(control.publish(wrong).value_or("").find("NOT_FOUND") != std::string::npos);
    wrong.exchange = std::string(300, 'e');
    CHECK(control.publish(wrong).value_or("").find("255") != std::string::npos);
    CHECK(control.publish(message_to(queue, "e")) == std::nullopt);
    CHECK(broker.take_all(queue) == std::vector<std::string>{"a", "e"});
}

TEST_CASE("a connection lost between two calls is opened again, a broker that is away is told") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    Control control(settings(gate.url()));
    CHECK(control.queue_depth(queue) == 0);
    gate.cut();
    CHECK(control.queue_depth(queue) == 0);
    gate.cut();
    CHECK(control.publish(message_to(queue, "a")) == std::nullopt);
    gate.shut(true);
    gate.cut();
    CHECK_THROWS_AS(control.queue_depth(queue), outcome::Unavailable);
    gate.shut(false);
    CHECK(control.queue_depth(queue) == 1);
}

TEST_CASE("a broker that does not answer costs the RPC time-out") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    auto impatient = settings(gate.url());
    impatient.rpc_timeout = std::chrono::milliseconds(300);
    impatient.connect_timeout = std::chrono::milliseconds(300);
    Control control(impatient);
    CHECK(control.queue_depth(queue) == 0);
    CHECK(control.publish(message_to(queue, "a")) == std::nullopt);
    gate.stall(true);
    CHECK_THROWS_AS(control.publish(message_to(queue, "b")), outcome::Unavailable);
    CHECK_THROWS_AS(control.queue_depth(queue), outcome::Unavailable);
    gate.stall(false);
    CHECK(control.queue_depth(queue).has_value());
}

}  // namespace
}  // namespace cartwright::amqp::tests
