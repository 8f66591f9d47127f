#include "common/amqp/publisher.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include <doctest/doctest.h>

#include "common/outcome/trouble.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"

namespace cartwright::amqp::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

PublisherLimits quick() {
    PublisherLimits limits;
    limits.retry_delay_min = milliseconds(10);
    limits.retry_delay_max = milliseconds(100);
    limits.best_effort_timeout = milliseconds(500);
    return limits;
}

std::vector<Outgoing> messages_to(const std::string& queue, const std::vector<std::string>& bodies) {
    std::vector<Outgoing> messages;
    for (const auto& body : bodies) messages.push_back(message_to(queue, body));
    return messages;
}

Outgoing best_effort(Outgoing message) {
    message.effort = Effort::best_effort;
    return message;
}

TEST_CASE("a batch is there when its callback comes, and the callback comes once") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    Publisher publisher(settings(), {});
    publisher.start();
    std::atomic<int> calls = 0;
    publisher.publish(messages_to(queue, numbered(100)), [&] { ++calls; });
    REQUIRE(eventually([&] { return calls > 0; }));
    CHECK(broker.take_all(queue) == numbered(100));
    CHECK(publisher.drain(seconds(20)));
    publisher.close();
    CHECK(calls == 1);
    CHECK(publisher.statistics().published == 100);
    CHECK(publisher.statistics().confirmed == 100);
}

TEST_CASE("many batches from several threads go through a small window") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    PublisherLimits limits;
    limits.window_messages_max = 64;
    limits.window_bytes_max = 64 * 1024;
    Publisher publisher(settings(), limits);
    publisher.start();
    std::atomic<int> calls = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 50; ++i)
                publisher.publish(messages_to(queue, numbered(50)), [&] { ++calls; });
        });
    for (auto& thread : threads) thread.join();
    CHECK(publisher.drain(seconds(120)));
    CHECK(calls == 200);
    CHECK(broker.depth(queue) == 10'000);
}

TEST_CASE("with nothing to wait for the callback comes at once") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    Publisher publisher(settings(), {});
    publisher.start();
    std::atomic<int> calls = 0;
    publisher.publish({}, [&] { ++calls; });
    publisher.publish({best_effort(message_to(queue, "b"))}, [&] { ++calls; });
    CHECK(eventually([&] { return calls == 2; }));
    CHECK(publisher.drain(seconds(20)));
    CHECK(broker.depth(queue) == 1);
}

TEST_CASE("a callback may publish") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    Publisher publisher(settings(), {});
    publisher.start();
    std::atomic<bool> done = false;
    publisher.publish({message_to(queue, "one")},
                      [&] { publisher.publish({message_to(queue, "two")}, [&] { done = true; }); });
    CHECK(eventually([&] { return done.load(); }));
    CHECK(broker.take_all(queue) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("what is returned is published again until a queue takes it") {
    Broker broker;
    const auto queue = random_name();
    const auto there = broker.quorum_queue();
    Publisher publisher(settings(), quick());
    publisher.start();
    std::atomic<int> calls = 0;
    publisher.publish({message_to(there, "a"), message_to(queue, "b"), message_to(there, "c")},
                      [&] { ++calls; });
    REQUIRE(eventually([&] { return publisher.statistics().returned >= 3; }));
    CHECK(calls == 0);
    CHECK(publisher.trouble().find(queue) != std::string::npos);
    CHECK(publisher.trouble().find("NO_ROUTE") != std::string::npos);
    CHECK_FALSE(publisher.drain(milliseconds(20)));
    broker.declare_queue(queue, {{"x-queue-type", "quorum"}});
    CHECK(eventually([&] { return calls == 1; }));
    CHECK(broker.take_all(queue) == std::vector<std::string>{"b"});
    CHECK(broker.take_all(there) == std::vector<std::string>{"a", "c"});
    CHECK(publisher.drain(seconds(20)));
    CHECK(publisher.trouble() == "");
    CHECK(publisher.statistics().returned_unmatched == 0);
}

TEST_CASE("what is refused is published again until there is room") {
    Broker broker;
    const auto queue =
        broker.quorum_queue({{"x-max-length", std::int64_t{2}}, {"x-overflow", "reject-publish"}});
    const auto free_queue = broker.quorum_queue();
    Publisher publisher(settings(), quick());
    publisher.start();
    std::atomic<int> calls = 0;
    for (const auto& body : numbered(6)) {
        publisher.publish({message_to(queue, body)}, [&] { ++calls; });
        publisher.drain(milliseconds(50));
    }
    REQUIRE(eventually([&] { return publisher.statistics().nacked > 3; }));
    CHECK(publisher.trouble().find("refused") != std::string::npos);
    std::atomic<bool> other = false;
    publisher.publish({message_to(free_queue, "free")}, [&] { other = true; });
    CHECK(eventually([&] { return other.load(); }));
    std::vector<std::string> taken;
    CHECK(eventually([&] {
        for (auto& body : broker.take_all(queue)) taken.push_back(body);
        return calls == 6;
    }));
    for (auto& body : broker.take_all(queue)) taken.push_back(body);
    std::sort(taken.begin(), taken.end());
    CHECK(taken == numbered(6));
}

TEST_CASE("best effort holds nothing: returned, refused or never answered") {
    Broker broker;
    const auto full =
        broker.quorum_queue({{"x-max-length", std::int64_t{1}}, {"x-overflow", "reject-publish"}});
    const auto queue = broker.quorum_queue();
    broker.publish(full, {"one", "two"});
    Publisher publisher(settings(), quick());
    publisher.start();
    std::vector<Outgoing> messages{best_effort(message_to(random_name(), "nowhere")),
                                   message_to(queue, "kept")};
    for (int i = 0; i < 20; ++i) messages.push_back(best_effort(message_to(full, "refused")));
    std::atomic<int> calls = 0;
    publisher.publish(messages, [&] { ++calls; });
    CHECK(eventually([&] { return calls == 1; }));
    CHECK(publisher.drain(seconds(20)));
    CHECK(publisher.statistics().returned == 1);
    CHECK(publisher.statistics().nacked > 0);
    CHECK(publisher.statistics().best_effort_lost == 1 + publisher.statistics().nacked);
    CHECK(broker.take_all(queue) == std::vector<std::string>{"kept"});
    CHECK(publisher.trouble() == "");
}

TEST_CASE("an exchange that is missing closes the channel, and its neighbours get through") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    const auto exchange = random_name("test-exchange");
    auto lost = message_to("key", "stays behind");
    lost.exchange = exchange;
    Publisher publisher(settings(), quick());
    publisher.start();
    std::atomic<int> good = 0, bad = 0;
    publisher.publish(messages_to(queue, numbered(10)), [&] { ++good; });
    publisher.publish({lost}, [&] { ++bad; });
    publisher.publish(messages_to(queue, numbered(10)), [&] { ++good; });
    CHECK(eventually([&] { return good == 2; }));
    REQUIRE(eventually([&] { return publisher.statistics().channels_reopened > 3; }));
    CHECK(eventually([&] { return publisher.trouble().find(exchange) != std::string::npos; }));
    const auto disturbed = broker.depth(queue);
    publisher.publish(messages_to(queue, numbered(10)), [&] { ++good; });
    CHECK(eventually([&] { return good == 3; }));
    // The one to blame is known and sent alone, so it takes nobody's confirms with it any more.
    CHECK(broker.depth(queue) == disturbed + 10);
    CHECK(bad == 0);
    broker.declare_exchange(exchange, "fanout");
    broker.bind(queue, exchange, "");
    CHECK(eventually([&] { return bad == 1; }));
    CHECK(publisher.statistics().connections == 1);
    CHECK(publisher.drain(seconds(20)));
    CHECK(publisher.trouble() == "");
}

TEST_CASE("a message larger than the window goes alone") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    PublisherLimits limits;
    limits.window_bytes_max = 1'000;
    Publisher publisher(settings(), limits);
    publisher.start();
    const std::string large(3'000'000, 'x');
    publisher.publish({message_to(queue, "a"), message_to(queue, "b")}, [] {});
    auto message = message_to(queue, large);
    message.message_id = "large";
    publisher.publish({message, message}, [] {});
    publisher.publish({message_to(queue, "c")}, [] {});
    CHECK(publisher.drain(seconds(60)));
    CHECK(broker.take_all(queue) == std::vector<std::string>{"a", "b", large, large, "c"});
}

TEST_CASE("what AMQP has no room for is refused to the caller") {
    Broker broker;
    const auto queue = broker.quorum_queue();
    Publisher publisher(settings(), {});
    publisher.start();
    auto message = message_to(queue, "x");
    message.message_id = std::string(256, 'i');
    CHECK_THROWS_AS(publisher.publish({message}, [] {}), outcome::Refused);
    CHECK_THROWS_AS(publisher.publish_in_order(std::vector{message}, seconds(1)), outcome::Refused);
    std::atomic<int> calls = 0;
    publisher.publish({best_effort(message)}, [&] { ++calls; });
    CHECK(eventually([&] { return calls == 1; }));
    CHECK(publisher.statistics().best_effort_lost == 1);
    message.message_id.resize(255);
    message.headers = {{"h", std::string(100'000, 'h')}};
    publisher.publish({message}, [&] { ++calls; });
    CHECK(eventually([&] { return calls == 2; }));
}

TEST_CASE("a URL that cannot be read is a startup error that keeps the password to itself") {
    auto wrong = settings("amqp://user:secret word@[host");
    CHECK_THROWS_AS(Publisher(wrong, {}), outcome::StartupError);
    try {
        Publisher publisher(wrong, {});
    } catch (const outcome::StartupError& error) {
        CHECK(std::string(error.what()).find("secret") == std::string::npos);
    }
}

TEST_CASE("a wrong password and a missing broker are told, without the password") {
    auto text = broker_url();
    const auto at = text.find('@');
    REQUIRE(at != std::string::npos);
    Publisher refused(settings("amqp://nobody:secret" + text.substr(at)), {});
    refused.start();
    CHECK(eventually([&] { return refused.trouble().find("ACCESS_REFUSED") != std::string::npos; }));
    CHECK(refused.trouble().find("secret") == std::string::npos);
    CHECK_FALSE(refused.connected());
    Publisher nowhere(settings("amqp://guest:secret@127.0.0.1:1"), {});
    nowhere.start();
    CHECK(eventually([&] { return nowhere.trouble().find("127.0.0.1:1") != std::string::npos; }));
    nowhere.publish({message_to("q", "b")}, [] { FAIL("there is no broker"); });
    CHECK_FALSE(nowhere.drain(milliseconds(50)));
    nowhere.close();
}

}  // namespace
}  // namespace cartwright::amqp::tests
