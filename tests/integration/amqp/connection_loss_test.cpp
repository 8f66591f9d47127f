#include <algorithm>
#include <atomic>
#include <thread>

#include <doctest/doctest.h>

#include "common/amqp/consumer.hpp"
#include "common/amqp/publisher.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"
#include "tests/integration/amqp/tcp_gate.hpp"

namespace cartwright::amqp::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<std::string> without_repeats(const std::vector<std::string>& texts) {
    std::vector<std::string> once;
    for (const auto& text : texts)
        if (std::find(once.begin(), once.end(), text) == once.end()) once.push_back(text);
    return once;
}

TEST_CASE("what is unconfirmed when the connection goes is published again, in order, after it is back") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    Publisher publisher(settings(gate.url()), {});
    publisher.start();
    std::atomic<int> calls = 0;
    publisher.publish({message_to(queue, "first")}, [&] { ++calls; });
    REQUIRE(eventually([&] { return calls == 1; }));
    gate.hold_answers(true);
    for (const auto& body : numbered(40)) publisher.publish({message_to(queue, body)}, [&] { ++calls; });
    REQUIRE(eventually([&] { return broker.depth(queue) == 41; }));
    gate.shut(true);
    gate.cut();
    REQUIRE(eventually([&] { return !publisher.connected(); }));
    publisher.publish({message_to(queue, "while away")}, [&] { ++calls; });
    CHECK(calls == 1);
    gate.hold_answers(false);
    gate.shut(false);
    CHECK(eventually([&] { return calls == 42; }));
    CHECK(publisher.connected());
    auto expected = numbered(40);
    expected.insert(expected.begin(), "first");
    const auto there = broker.take_all(queue);
    CHECK(there.size() == 82);
    expected.push_back("while away");
    CHECK(without_repeats(there) == expected);
    CHECK(std::is_sorted(there.begin() + 42, there.end() - 1, [](const auto& one, const auto& other) {
        return std::stoi(one.substr(1)) < std::stoi(other.substr(1));
    }));
    CHECK(publisher.statistics().reconnects == 1);
    publisher.close();
    CHECK(calls == 42);
}

TEST_CASE("cut again and again, everything is published and every callback comes once") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    Publisher publisher(settings(gate.url()), {});
    publisher.start();
    constexpr std::size_t count = 3'000;
    std::vector<std::atomic<int>> calls(count);
    std::thread cutter([&] {
        for (int i = 0; i < 10; ++i) {
            const auto seen = publisher.statistics().confirmed.load();
            eventually([&] { return publisher.statistics().confirmed > seen + 20; }, seconds(3));
            gate.cut();
        }
    });
    const auto bodies = numbered(count);
    for (std::size_t i = 0; i < count; ++i) {
        publisher.publish({message_to(queue, bodies[i])}, [&calls, i] { ++calls[i]; });
        if (i % 100 == 0) publisher.drain(milliseconds(20));
    }
    cutter.join();
    REQUIRE(publisher.drain(seconds(120)));
    CHECK(std::all_of(calls.begin(), calls.end(), [](const auto& times) { return times == 1; }));
    auto there = broker.take_all(queue);
    std::sort(there.begin(), there.end());
    there.erase(std::unique(there.begin(), there.end()), there.end());
    auto expected = bodies;
    std::sort(expected.begin(), expected.end());
    CHECK(there == expected);
}

TEST_CASE("best effort is not repeated after a lost connection, and forgotten while there is none") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    PublisherLimits limits;
    limits.best_effort_timeout = milliseconds(100);
    Publisher publisher(settings(gate.url()), limits);
    publisher.start();
    REQUIRE(eventually([&] { return publisher.connected(); }));
    gate.hold_answers(true);
    gate.shut(true);
    auto message = message_to(queue, "in flight");
    message.effort = Effort::best_effort;
    publisher.publish({message}, [] {});
    REQUIRE(eventually([&] { return broker.depth(queue) == 1; }));
    gate.cut();
    REQUIRE(eventually([&] { return !publisher.connected(); }));
    message.body = "never sent";
    publisher.publish({message}, [] {});
    CHECK(publisher.drain(seconds(20)));
    CHECK(publisher.statistics().best_effort_lost == 2);
    gate.hold_answers(false);
    gate.shut(false);
    REQUIRE(eventually([&] { return publisher.connected(); }));
    publisher.publish({message_to(queue, "after")}, [] {});
    CHECK(publisher.drain(seconds(20)));
    CHECK(broker.take_all(queue) == std::vector<std::string>{"in flight", "after"});
}

TEST_CASE("a best-effort message that is never answered leaves the window") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    PublisherLimits limits;
    limits.best_effort_timeout = milliseconds(100);
    limits.window_messages_max = 1;
    Publisher publisher(settings(gate.url()), limits);
    publisher.start();
    REQUIRE(eventually([&] { return publisher.connected(); }));
    gate.hold_answers(true);
    auto message = message_to(queue, "best effort");
    message.effort = Effort::best_effort;
    std::atomic<int> calls = 0;
    publisher.publish({message}, [] {});
    publisher.publish({message_to(queue, "next")}, [&] { ++calls; });
    CHECK(eventually([&] { return broker.depth(queue) == 2; }));
    gate.hold_answers(false);
    CHECK(eventually([&] { return calls == 1; }));
    CHECK(publisher.statistics().best_effort_lost == 1);
}

TEST_CASE("a consumer whose connection is cut resets, consumes again and drops stale acks") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, numbered(5));
    TcpGate gate(broker_url());
    Received received;
    Consumer consumer(settings(gate.url()), {received.subscription(queue, 10)});
    consumer.start();
    REQUIRE(eventually([&] { return received.count() == 5; }));
    const auto stale = received.tokens();
    gate.cut();
    REQUIRE(eventually([&] { return received.resets == 1; }));
    REQUIRE(eventually([&] { return received.count() == 10; }));
    consumer.acknowledge(stale);
    CHECK(eventually([&] { return consumer.statistics().stale_acks == 5; }));
    const auto again = received.all();
    CHECK(std::all_of(again.begin() + 5, again.end(),
                      [](const auto& one) { return one.redelivered && one.delivery_count == 1; }));
    const auto tokens = received.tokens();
    consumer.acknowledge(std::span(tokens).subspan(5));
    CHECK(eventually([&] { return consumer.statistics().acked == 5; }));
    consumer.close();
    CHECK(broker.depth(queue) == 0);
    CHECK(consumer.statistics().reconnects == 1);
}

TEST_CASE("a broadcast consumer is reset after each reconnect, with its new queue bound") {
    Broker broker;
    const auto exchange = broker.exchange("fanout");
    TcpGate gate(broker_url());
    Received received;
    auto subscription = received.subscription("", 1);
    subscription.broadcast_exchange = exchange;
    Consumer consumer(settings(gate.url()), {subscription});
    consumer.start();
    for (int round = 1; round <= 3; ++round) {
        REQUIRE(eventually([&] { return received.resets == round; }));
        broker.publish(exchange, "", "after reset");
        CHECK(eventually([&] { return received.count() == static_cast<std::size_t>(round); }));
        gate.cut();
    }
}

TEST_CASE("after stop_intake a lost connection is not opened again") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, numbered(2));
    TcpGate gate(broker_url());
    Received received;
    Consumer consumer(settings(gate.url()), {received.subscription(queue, 10)});
    consumer.start();
    REQUIRE(eventually([&] { return received.count() == 2; }));
    consumer.stop_intake(seconds(20));
    gate.cut();
    REQUIRE(eventually([&] { return consumer.statistics().reconnects == 1; }));
    consumer.acknowledge(received.tokens());
    CHECK(eventually([&] { return consumer.statistics().stale_acks == 2; }));
    consumer.close();
    CHECK(gate.connections() == 1);
    CHECK(received.count() == 2);
    CHECK(eventually([&] { return broker.depth(queue) == 2; }));
}

TEST_CASE("stop_intake and close return while there is no broker") {
    Received received;
    Consumer consumer(settings("amqp://guest:guest@127.0.0.1:1"), {received.subscription("queue", 10)});
    consumer.start();
    REQUIRE(eventually([&] { return consumer.trouble().find("127.0.0.1:1") != std::string::npos; }));
    const auto before = std::chrono::steady_clock::now();
    consumer.stop_intake(seconds(20));
    consumer.close();
    CHECK(std::chrono::steady_clock::now() - before < seconds(15));
}

}  // namespace
}  // namespace cartwright::amqp::tests
