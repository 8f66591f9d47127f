// A broker that is frozen, blocks publishers, closes channels and connections.
#include <atomic>
#include <csignal>
#include <cstdlib>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "common/amqp/consumer.hpp"
#include "common/amqp/publisher.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"
#include "tests/integration/amqp/tcp_gate.hpp"

namespace cartwright::amqp::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ConnectionSettings impatient(const std::string& url) {
    auto made = settings(url);
    made.stall_timeout = milliseconds(500);
    made.connect_timeout = milliseconds(1'000);
    made.heartbeat = seconds(2);
    return made;
}

Outgoing large_message(const std::string& queue) {
    auto message = message_to(queue, std::string(16 * 1024 * 1024, 'x'));
    message.message_id = "large";
    return message;
}

std::string text_argument(const std::string& text) {
    return static_cast<char>(text.size()) + text;
}

TEST_CASE("a write that does not come back is ended by the watchdog, and repeated when the broker is back") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    auto patient_heartbeat = impatient(gate.url());
    patient_heartbeat.heartbeat = seconds(60);
    Publisher publisher(patient_heartbeat, {});
    CHECK_FALSE(publisher.wait_connected(milliseconds(1)));
    publisher.start();
    REQUIRE(publisher.wait_connected(seconds(60)));
    gate.stall(true);
    std::atomic<int> calls = 0;
    publisher.publish({large_message(queue)}, [&] { ++calls; });
    REQUIRE(eventually([&] { return publisher.statistics().stalls >= 1; }));
    CHECK_FALSE(publisher.connected());
    gate.stall(false);
    CHECK(eventually([&] { return calls == 1; }, seconds(60)));
    CHECK(publisher.connected());
}

TEST_CASE("small messages to a broker that takes nothing do not block the thread") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    auto patient_heartbeat = impatient(gate.url());
    patient_heartbeat.heartbeat = seconds(60);
    PublisherLimits limits;
    limits.window_messages_max = 100'000;
    limits.window_bytes_max = 1'000'000'000;
    Publisher publisher(patient_heartbeat, limits);
    publisher.start();
    std::atomic<int> calls = 0;
    publisher.publish({message_to(queue, "first")}, [&] { ++calls; });
    REQUIRE(eventually([&] { return calls == 1; }));
    gate.stall(true);
    for (int i = 0; i < 3'000; ++i) {
        auto message = message_to(queue, std::string(8'000, 'x'));
        message.message_id = std::to_string(i);
        publisher.publish({message}, [&] { ++calls; });
    }
    REQUIRE(eventually([&] { return publisher.statistics().reconnects == 1; }));
    // It waited for room beside the socket, not inside a write.
    CHECK(publisher.statistics().stalls == 0);
    gate.stall(false);
    CHECK(eventually([&] { return calls == 3'001; }, seconds(120)));
}

TEST_CASE("an idle consumer notices a silent broker by its heartbeats") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    auto short_heartbeat = impatient(gate.url());
    short_heartbeat.heartbeat = seconds(1);
    Received received;
    Consumer consumer(short_heartbeat, {received.subscription(queue, 10)});
    consumer.start();
    REQUIRE(eventually([&] { return consumer.consuming(); }));
    gate.stall(true);
    REQUIRE(eventually([&] { return consumer.statistics().reconnects == 1; }));
    CHECK_FALSE(consumer.consuming());
    CHECK(consumer.trouble() != "");
    gate.stall(false);
    REQUIRE(eventually([&] { return consumer.consuming(); }));
    broker.publish(queue, {"after"});
    CHECK(eventually([&] { return received.count() == 1; }));
}

TEST_CASE("heartbeats keep an idle connection") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    auto short_heartbeat = impatient(broker_url());
    short_heartbeat.heartbeat = seconds(1);
    Received received;
    Consumer consumer(short_heartbeat, {received.subscription(queue, 10)});
    Publisher publisher(short_heartbeat, {});
    consumer.start();
    publisher.start();
    REQUIRE(eventually([&] { return consumer.consuming() && publisher.connected(); }));
    // Two missed heartbeats end a connection; this is more than three.
    CHECK_FALSE(
        eventually([&] { return consumer.statistics().reconnects + publisher.statistics().reconnects > 0; },
                   milliseconds(3'500)));
}

TEST_CASE("while the broker blocks publishers nothing is sent") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    Publisher publisher(impatient(gate.url()), {});
    publisher.start();
    REQUIRE(eventually([&] { return publisher.connected(); }));
    gate.inject(method_frame(0, 10, 60, text_argument("low on memory")));
    REQUIRE(eventually([&] { return publisher.blocked(); }));
    CHECK(publisher.trouble().find("low on memory") != std::string::npos);
    std::atomic<int> calls = 0;
    publisher.publish({message_to(queue, "a")}, [&] { ++calls; });
    CHECK(publisher.publish_in_order(std::vector{message_to(queue, "b")}, milliseconds(300)) ==
          std::vector{Confirm::unsent});
    CHECK(publisher.statistics().published == 0);
    CHECK(publisher.connected());
    gate.inject(method_frame(0, 10, 61, ""));
    CHECK(eventually([&] { return calls == 1; }));
    CHECK_FALSE(publisher.blocked());
    CHECK(publisher.statistics().blocked_ms >= 250);
    CHECK(broker.take_all(queue) == std::vector<std::string>{"a"});
}

TEST_CASE("a consumer that the broker cancels, and one that is told to stop just then") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    Received received;
    Consumer consumer(impatient(gate.url()), {received.subscription(queue, 1)});
    consumer.start();
    REQUIRE(eventually([&] { return consumer.consuming(); }));
    broker.publish(queue, {"a"});
    REQUIRE(eventually([&] { return received.count() == 1; }));
    // Tags are <subscription>.<opening>.<consumer>.
    gate.inject(method_frame(1, 60, 30, text_argument("0.1.1") + '\x01'));
    REQUIRE(eventually([&] { return received.count() == 2; }));
    CHECK(received.resets == 1);
    CHECK(received.at(1).body == "a");
    CHECK(received.at(1).redelivered);
    consumer.acknowledge(received.tokens());
    CHECK(eventually([&] { return consumer.statistics().acked == 1; }));
    CHECK(consumer.statistics().stale_acks == 1);
    CHECK(consumer.consuming());
    consumer.stop_intake(seconds(20));
    consumer.close();
    CHECK(broker.depth(queue) == 0);
}

TEST_CASE("a memory alarm blocks the publisher and spares the consumer") {
    const auto control = variable("RABBITMQCTL");
    if (!control) return;
    const auto run = [&](const std::string& command) {
        REQUIRE(std::system((*control + " -q " + command + " >/dev/null").c_str()) == 0);
    };
    Broker broker;
    const auto queue = broker.quorum_queue();
    Received received;
    Publisher publisher(impatient(broker_url()), {});
    Consumer consumer(impatient(broker_url()), {received.subscription(queue, 10)});
    publisher.start();
    consumer.start();
    broker.publish(queue, numbered(3));
    REQUIRE(eventually([&] { return publisher.connected() && received.count() == 3; }));
    run("set_vm_memory_high_watermark absolute 1");
    std::atomic<int> calls = 0;
    for (const auto& body : numbered(2'000)) publisher.publish({message_to(queue, body)}, [&] { ++calls; });
    const bool blocked = eventually([&] { return publisher.blocked(); });
    consumer.acknowledge(received.tokens());
    const bool acked = eventually([&] { return broker.depth(queue) == 0; });
    run("set_vm_memory_high_watermark 0.6");
    REQUIRE(blocked);
    CHECK(acked);
    CHECK(eventually([&] { return calls == 2'000; }, seconds(60)));
    CHECK(publisher.statistics().published < 4'100);
    CHECK_FALSE(publisher.blocked());
}

TEST_CASE("a channel that is closed because an ack took too long is opened again") {
    const auto control = variable("RABBITMQCTL");
    if (!control) return;
    const auto set_times = [&](int timeout_ms, int tick_ms) {
        const auto command = fmt::format(
            "{} -q eval 'application:set_env(rabbit, consumer_timeout, {}), "
            "application:set_env(rabbit, channel_tick_interval, {}).' >/dev/null",
            *control, timeout_ms, tick_ms);
        REQUIRE(std::system(command.c_str()) == 0);
    };
    Broker broker;
    const auto queue = broker.quorum_queue();
    broker.publish(queue, {"slow"});
    Received received;
    Consumer consumer(impatient(broker_url()), {received.subscription(queue, 10)});
    set_times(500, 100);
    consumer.start();
    const bool delivered = eventually([&] { return received.count() == 1; });
    const bool reset = eventually([&] { return received.resets >= 1; });
    set_times(1'800'000, 60'000);
    REQUIRE(delivered);
    REQUIRE(reset);
    REQUIRE(eventually([&] { return received.count() >= 2; }));
    CHECK(received.at(1).delivery_count == 1);
    CHECK(consumer.statistics().connections == 1);
    CHECK(consumer.statistics().channels_reopened >= 1);
}

TEST_CASE("closed by an operator, both come back") {
    const auto control = variable("RABBITMQCTL");
    if (!control) return;
    Broker broker;
    const auto queue = broker.quorum_queue();
    Received received;
    Publisher publisher(impatient(broker_url()), {});
    Consumer consumer(impatient(broker_url()), {received.subscription(queue, 10)});
    publisher.start();
    consumer.start();
    REQUIRE(eventually([&] { return publisher.connected() && consumer.consuming(); }));
    REQUIRE(std::system((*control + " -q close_all_connections maintenance >/dev/null").c_str()) == 0);
    REQUIRE(eventually(
        [&] { return publisher.statistics().reconnects == 1 && consumer.statistics().reconnects == 1; }));
    std::atomic<int> calls = 0;
    publisher.publish({message_to(queue, "after")}, [&] { ++calls; });
    CHECK(eventually([&] { return calls == 1 && received.count() == 1; }));
    Broker another;
    another.take_all(queue);
}

TEST_CASE("a frozen broker frees both threads, and everything is there when it thaws") {
    const auto process = variable("AMQP_BROKER_PID");
    if (!process) return;
    const auto pid = static_cast<pid_t>(std::stol(*process));
    Broker broker;
    const auto queue = broker.quorum_queue();
    Received received;
    Publisher publisher(impatient(broker_url()), {});
    Consumer consumer(impatient(broker_url()), {received.subscription(queue, 10)});
    publisher.start();
    consumer.start();
    REQUIRE(eventually([&] { return publisher.connected() && consumer.consuming(); }));
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    std::atomic<int> calls = 0;
    publisher.publish({large_message(queue)}, [&] { ++calls; });
    const bool freed = eventually(
        [&] { return publisher.statistics().stalls >= 1 && consumer.statistics().reconnects >= 1; });
    REQUIRE(::kill(pid, SIGCONT) == 0);
    REQUIRE(freed);
    CHECK(eventually([&] { return calls == 1 && received.count() >= 1; }, seconds(60)));
}

TEST_CASE("closing does not wait for a frozen broker") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    auto patient = settings(gate.url());
    Received received;
    Publisher publisher(patient, {});
    Consumer consumer(patient, {received.subscription(queue, 10)});
    publisher.start();
    consumer.start();
    broker.publish(queue, {"a"});
    REQUIRE(eventually([&] { return publisher.connected() && received.count() == 1; }));
    gate.stall(true);
    publisher.publish({large_message(queue)}, [] { FAIL("nothing confirmed this"); });
    const auto before = std::chrono::steady_clock::now();
    consumer.acknowledge(received.tokens());
    consumer.stop_intake(milliseconds(200));
    publisher.close();
    consumer.close();
    CHECK(std::chrono::steady_clock::now() - before < seconds(15));
}

}  // namespace
}  // namespace cartwright::amqp::tests
