#include <thread>

#include <doctest/doctest.h>

#include "common/amqp/publisher.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"
#include "tests/integration/amqp/tcp_gate.hpp"

namespace cartwright::amqp::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Answers = std::vector<Confirm>;

void wait_for_connection(Publisher& publisher) {
    REQUIRE(eventually([&] { return publisher.connected(); }));
}

TEST_CASE("a run is published once, in order, with an answer for each") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    Publisher publisher(settings(), {});
    publisher.start();
    wait_for_connection(publisher);
    CHECK(publisher.publish_in_order({}, seconds(1)).empty());
    std::vector<Outgoing> run;
    for (const auto& body : numbered(500)) run.push_back(message_to(queue, body));
    CHECK(publisher.publish_in_order(run, seconds(60)) == Answers(500, Confirm::accepted));
    CHECK(broker.take_all(queue) == numbered(500));
    CHECK(publisher.statistics().published == 500);
}

TEST_CASE("returned and refused messages of a run are told and not repeated") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    const auto full =
        broker.quorum_queue({{"x-max-length", std::int64_t{1}}, {"x-overflow", "reject-publish"}});
    broker.publish(full, {"one", "two"});
    Publisher publisher(settings(), {});
    publisher.start();
    wait_for_connection(publisher);
    const auto nowhere = random_name();
    const std::vector run{message_to(queue, "a"), message_to(nowhere, "b"), message_to(queue, "c"),
                          message_to(full, "d"),  message_to(nowhere, "b"), message_to(queue, "e")};
    CHECK(publisher.publish_in_order(run, seconds(20)) == Answers{Confirm::accepted, Confirm::returned,
                                                                  Confirm::accepted, Confirm::refused,
                                                                  Confirm::returned, Confirm::accepted});
    CHECK(broker.take_all(queue) == std::vector<std::string>{"a", "c", "e"});
    CHECK(publisher.drain(seconds(10)));
    CHECK(publisher.statistics().published == 6);
}

TEST_CASE("without a connection a run is unsent at once") {
    Publisher publisher(settings("amqp://guest:guest@127.0.0.1:1"), {});
    publisher.start();
    const auto before = std::chrono::steady_clock::now();
    CHECK(publisher.publish_in_order(std::vector{message_to("q", "b")}, seconds(30)) ==
          Answers{Confirm::unsent});
    CHECK(std::chrono::steady_clock::now() - before < seconds(20));
}

TEST_CASE("without an answer in time a run is unknown, and what was not sent never is") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    PublisherLimits limits;
    limits.window_messages_max = 3;
    Publisher publisher(settings(gate.url()), limits);
    publisher.start();
    wait_for_connection(publisher);
    REQUIRE(publisher.publish_in_order(std::vector{message_to(queue, "first")}, seconds(20)) ==
            Answers{Confirm::accepted});
    gate.hold_answers(true);
    std::vector<Outgoing> run;
    for (const auto& body : numbered(5)) run.push_back(message_to(queue, body));
    CHECK(publisher.publish_in_order(run, milliseconds(300)) ==
          Answers{Confirm::unknown, Confirm::unknown, Confirm::unknown, Confirm::unsent, Confirm::unsent});
    gate.hold_answers(false);
    CHECK(publisher.drain(seconds(20)));
    CHECK(publisher.publish_in_order(std::vector{message_to(queue, "last")}, seconds(20)) ==
          Answers{Confirm::accepted});
    CHECK(broker.take_all(queue) == std::vector<std::string>{"first", "m0", "m1", "m2", "last"});
}

TEST_CASE("a run whose connection is lost is unknown and unsent, and not repeated") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    TcpGate gate(broker_url());
    PublisherLimits limits;
    limits.window_messages_max = 3;
    Publisher publisher(settings(gate.url()), limits);
    publisher.start();
    wait_for_connection(publisher);
    REQUIRE(publisher.publish_in_order(std::vector{message_to(queue, "first")}, seconds(20)) ==
            Answers{Confirm::accepted});
    gate.hold_answers(true);
    std::vector<Outgoing> run;
    for (const auto& body : numbered(5)) run.push_back(message_to(queue, body));
    Answers answers;
    std::thread caller([&] { answers = publisher.publish_in_order(run, seconds(60)); });
    REQUIRE(eventually([&] { return broker.depth(queue) == 4; }));
    gate.cut();
    caller.join();
    CHECK(answers ==
          Answers{Confirm::unknown, Confirm::unknown, Confirm::unknown, Confirm::unsent, Confirm::unsent});
    gate.hold_answers(false);
    wait_for_connection(publisher);
    CHECK(publisher.publish_in_order(std::vector{message_to(queue, "last")}, seconds(20)) ==
          Answers{Confirm::accepted});
    CHECK(broker.take_all(queue) == std::vector<std::string>{"first", "m0", "m1", "m2", "last"});
}

TEST_CASE("a run to a missing exchange is unknown, and the next run is none the worse") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    Publisher publisher(settings(), {});
    publisher.start();
    wait_for_connection(publisher);
    auto wrong = message_to("key", "b");
    wrong.exchange = random_name("test-exchange");
    CHECK(publisher.publish_in_order(std::vector{wrong}, seconds(20)) == Answers{Confirm::unknown});
    wait_for_connection(publisher);
    CHECK(publisher.publish_in_order(std::vector{message_to(queue, "a")}, seconds(20)) ==
          Answers{Confirm::accepted});
}

}  // namespace
}  // namespace cartwright::amqp::tests
