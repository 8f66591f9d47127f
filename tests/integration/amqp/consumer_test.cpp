#include "common/amqp/consumer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "common/amqp/publisher.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"

namespace cartwright::amqp::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("a consumer delivers in order and what it acknowledges is gone") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, numbered(50));
    Received received;
    Consumer consumer(settings(), {received.subscription(queue, 10)});
    CHECK_FALSE(consumer.consuming());
    consumer.start();
    for (std::size_t done = 0; done < 50;) {
        REQUIRE(eventually([&] { return received.count() > done; }));
        const auto tokens = received.tokens();
        consumer.acknowledge(std::span(tokens).subspan(done));
        done = tokens.size();
    }
    CHECK(received.bodies() == numbered(50));
    CHECK(consumer.consuming());
    CHECK(consumer.trouble() == "");
    consumer.close();
    CHECK(consumer.statistics().acked == 50);
    CHECK(broker.depth(queue) == 0);
    CHECK_FALSE(consumer.consuming());
}

TEST_CASE("a burst of acks just before close is not lost") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    constexpr std::size_t count = 500;
    broker.publish(queue, numbered(count));
    Received received;
    Consumer consumer(settings(), {received.subscription(queue, count)});
    consumer.start();
    REQUIRE(eventually([&] { return received.count() == count; }));
    consumer.acknowledge(received.tokens());
    consumer.close();
    CHECK(consumer.statistics().acked == count);
    // Given back messages are ready a moment after the channel is closed.
    CHECK_FALSE(eventually([&] { return broker.depth(queue) > 0; }, milliseconds(300)));
}

TEST_CASE("who holds enough bytes reads no more until something is acknowledged, and stays connected") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    std::vector<std::string> bodies;
    std::vector<Outgoing> messages;
    for (char c = 'a'; c <= 'j'; ++c) {
        bodies.emplace_back(600'000, c);
        messages.push_back(message_to(queue, {c}));
        messages.back().body = bodies.back();
    }
    Publisher publisher(settings(), {});
    publisher.start();
    publisher.publish(messages, [] {});
    REQUIRE(publisher.drain(seconds(30)));
    auto wanted = settings();
    wanted.intake_bytes_max = 1'000'000;
    wanted.heartbeat = seconds(1);
    Received received;
    Consumer consumer(wanted, {received.subscription(queue, 10)});
    consumer.start();
    REQUIRE(eventually([&] { return received.count() == 2; }));
    // The broker would end the connection after two heartbeats without a word.
    CHECK_FALSE(eventually([&] { return received.count() > 2; }, seconds(4)));
    for (std::size_t done = 0; done < 10; ++done) {
        REQUIRE(eventually([&] { return received.count() >= std::min<std::size_t>(done + 2, 10); }));
        CHECK(received.count() <= done + 2);
        consumer.acknowledge(std::vector{received.at(done).token});
    }
    CHECK(received.bodies() == bodies);
    CHECK(consumer.statistics().reconnects == 0);
    consumer.close();
    CHECK(broker.depth(queue) == 0);
}

TEST_CASE("what is not acknowledged comes back, and only that") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, numbered(5));
    Received received;
    Consumer consumer(settings(), {received.subscription(queue, 10)});
    consumer.start();
    REQUIRE(eventually([&] { return received.count() == 5; }));
    const auto tokens = received.tokens();
    consumer.acknowledge(std::vector{tokens[4], tokens[1]});
    consumer.close();
    CHECK(eventually([&] { return broker.depth(queue) == 3; }));
    CHECK(broker.take_all(queue) == std::vector<std::string>{"m0", "m2", "m3"});
}

TEST_CASE(
    "a message given back once or never widens the prefetch, one given back twice comes alone at first") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, numbered(4));
    int given_back = 0;
    SUBCASE("never") {
        given_back = 0;
    }
    SUBCASE("once") {
        given_back = 1;
    }
    SUBCASE("twice") {
        given_back = 2;
    }
    for (int i = 0; i < given_back; ++i) {
        broker.give_back_all(queue);
        REQUIRE(eventually([&] { return broker.depth(queue) == 4; }));
    }
    Received received;
    Consumer consumer(settings(), {received.subscription(queue, 10)});
    consumer.start();
    if (given_back < 2) {
        CHECK(eventually([&] { return received.count() == 4; }));
        CHECK(received.at(3).delivery_count == given_back);
        return;
    }
    REQUIRE(eventually([&] { return received.count() == 1; }));
    // The broker says of itself how much it holds back; nothing else shows that no more was sent.
    CHECK(eventually([&] { return broker.depth(queue) == 3; }));
    CHECK(received.at(0).delivery_count == 2);
    CHECK(received.count() == 1);
    consumer.acknowledge(std::vector{received.at(0).token});
    CHECK(eventually([&] { return received.count() == 4; }));
}

TEST_CASE("everything a message carries arrives") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    const auto exchange = broker.exchange("topic");
    broker.bind(queue, exchange, "a.*");
    Outgoing message;
    message.exchange = exchange;
    message.routing_key = "a.b";
    message.body = std::string(300'000, 'x') + std::string("\0\xff", 2);
    message.message_id = "id";
    message.type = "type";
    message.reply_to = "reply";
    message.correlation_id = "correlation";
    message.headers = {
        {"text", std::string("t")}, {"number", std::int64_t{-7}}, {"truth", true}, {"empty", std::string()}};
    Publisher publisher(settings(), {});
    publisher.start();
    publisher.publish({message, message_to(queue, "")}, [] {});
    REQUIRE(publisher.drain(seconds(30)));
    Received received;
    Consumer consumer(settings(), {received.subscription(queue, 10)});
    consumer.start();
    REQUIRE(eventually([&] { return received.count() == 2; }));
    const auto delivery = received.at(0);
    CHECK(delivery.body == message.body);
    CHECK(delivery.exchange == exchange);
    CHECK(delivery.routing_key == "a.b");
    CHECK(delivery.queue == queue);
    CHECK(delivery.message_id == "id");
    CHECK(delivery.type == "type");
    CHECK(delivery.reply_to == "reply");
    CHECK(delivery.correlation_id == "correlation");
    CHECK(delivery.content_type == json_event);
    CHECK(delivery.headers == message.headers);
    CHECK_FALSE(delivery.redelivered);
    CHECK(received.at(1).body.empty());
}

TEST_CASE("after stop_intake nothing arrives, and acks still work") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, numbered(4));
    Received received;
    Consumer consumer(settings(), {received.subscription(queue, 2)});
    consumer.start();
    // The first was sent to the narrow consumer, two more to the wide one.
    REQUIRE(eventually([&] { return received.count() == 3; }));
    const auto before = std::chrono::steady_clock::now();
    consumer.stop_intake(seconds(20));
    CHECK(std::chrono::steady_clock::now() - before < seconds(20));
    CHECK_FALSE(consumer.consuming());
    consumer.acknowledge(received.tokens());
    REQUIRE(eventually([&] { return consumer.statistics().acked == 3; }));
    broker.publish(queue, {"later"});
    CHECK(eventually([&] { return broker.depth(queue) == 2; }));
    CHECK(received.count() == 3);
    consumer.close();
    CHECK(broker.take_all(queue) == std::vector<std::string>{"m3", "later"});
}

TEST_CASE("whoever stops at the first delivery keeps the connection, and its ack counts") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    for (int round = 0; round < 12; ++round) {
        broker.publish(queue, {"first"});
        Received received;
        Consumer consumer(settings(), {received.subscription(queue, 100)});
        consumer.start();
        const auto give_up_at = std::chrono::steady_clock::now() + seconds(20);
        while (received.count() == 0 && std::chrono::steady_clock::now() < give_up_at)
            std::this_thread::yield();  // a pause would miss the moment
        REQUIRE(received.count() > 0);
        consumer.stop_intake(seconds(20));
        consumer.acknowledge(received.tokens());
        CHECK(eventually([&] { return consumer.statistics().acked == 1; }));
        consumer.close();
        REQUIRE(consumer.statistics().reconnects == 0);
    }
    CHECK(broker.take_all(queue).empty());
}

TEST_CASE("a queue that comes later, and one that goes and comes back") {
    Broker broker;
    const auto queue = random_name();
    Received received;
    Received other;
    const auto steady = broker.quorum_queue();
    Consumer consumer(settings(), {received.subscription(queue, 5), other.subscription(steady, 5)});
    consumer.start();
    REQUIRE(eventually([&] { return consumer.trouble().find("NOT_FOUND") != std::string::npos; }));
    broker.declare_queue(queue, {{"x-queue-type", "quorum"}});
    REQUIRE(eventually([&] { return consumer.consuming(); }));
    broker.publish(queue, {"first"});
    REQUIRE(eventually([&] { return received.count() == 1; }));
    const auto resets = received.resets.load();
    broker.delete_queue(queue);
    REQUIRE(eventually([&] { return !consumer.consuming() && received.resets > resets; }));
    consumer.acknowledge(received.tokens());
    CHECK(eventually([&] { return consumer.statistics().stale_acks == 1; }));
    broker.publish(steady, {"neighbour"});
    CHECK(eventually([&] { return other.count() == 1; }));
    broker.declare_queue(queue, {{"x-queue-type", "quorum"}});
    REQUIRE(eventually([&] { return consumer.consuming(); }));
    broker.publish(queue, {"second"});
    REQUIRE(eventually([&] { return received.count() == 2; }));
    CHECK(received.at(1).token.generation > received.at(0).token.generation);
    // RabbitMQ 3.10 answers who subscribes while a queue is just being declared or deleted with an internal
    // error now and then, and that costs the connection. Nothing else may.
    if (consumer.statistics().connections == 1) CHECK(other.resets == 0);
    CHECK(consumer.statistics().channels_reopened >= 1);
}

TEST_CASE("a tag is acknowledged once, whatever is asked") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, numbered(2));
    Received received;
    Consumer consumer(settings(), {received.subscription(queue, 5)});
    consumer.start();
    REQUIRE(eventually([&] { return received.count() == 2; }));
    const auto token = received.at(0).token;
    auto never = token;
    never.tag = 77;
    auto earlier = received.at(1).token;
    --earlier.generation;
    consumer.acknowledge(std::vector{token, token, never, earlier});
    CHECK(eventually([&] { return consumer.statistics().stale_acks == 3; }));
    CHECK(consumer.statistics().acked == 1);
    broker.publish(queue, {"after"});
    CHECK(eventually([&] { return received.count() == 3; }));
    CHECK(consumer.statistics().channels_reopened == 0);
}

TEST_CASE("a broadcast reaches every consumer, which is reset before the first delivery") {
    Broker broker;
    const auto exchange = broker.exchange("fanout");
    Received one, two;
    const auto subscribe = [&](Received& received) {
        auto subscription = received.subscription("", 1);
        subscription.broadcast_exchange = exchange;
        return subscription;
    };
    Consumer first(settings(), {subscribe(one)}), second(settings(), {subscribe(two)});
    first.start();
    second.start();
    REQUIRE(eventually([&] { return first.consuming() && second.consuming(); }));
    CHECK(one.resets == 1);
    for (const auto& body : numbered(20)) broker.publish(exchange, "", body);
    CHECK(eventually([&] { return one.count() == 20 && two.count() == 20; }));
    CHECK(one.bodies() == numbered(20));
    CHECK(first.statistics().unacknowledged == 0);
}

}  // namespace
}  // namespace cartwright::amqp::tests
