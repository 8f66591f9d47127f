#include "common/amqp/subscription_channel.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace cartwright::amqp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Said = std::vector<std::string>;

/// A broker that writes down what it is told.
struct Notebook : ChannelCommands {
    Said said;

    Said take() { return std::exchange(said, {}); }
    void open(ChannelNumber channel) override { said.push_back(fmt::format("{} open", channel)); }
    void close(ChannelNumber channel) override { said.push_back(fmt::format("{} close", channel)); }
    void confirm_closed(ChannelNumber channel) override {
        said.push_back(fmt::format("{} close-ok", channel));
    }
    void declare_own_queue(ChannelNumber channel) override {
        said.push_back(fmt::format("{} declare", channel));
    }
    void bind(ChannelNumber channel, const std::string& queue, const std::string& exchange) override {
        said.push_back(fmt::format("{} bind {} to {}", channel, queue, exchange));
    }
    void set_prefetch(ChannelNumber channel, std::uint16_t prefetch) override {
        said.push_back(fmt::format("{} prefetch {}", channel, prefetch));
    }
    void consume(ChannelNumber channel, const std::string& queue, const std::string& tag,
                 bool needs_ack) override {
        said.push_back(
            fmt::format("{} consume {} as {}{}", channel, queue, tag, needs_ack ? "" : " without ack"));
    }
    void cancel(ChannelNumber channel, const std::string& tag) override {
        said.push_back(fmt::format("{} cancel {}", channel, tag));
    }
    void acknowledge(ChannelNumber channel, std::uint64_t delivery_tag) override {
        said.push_back(fmt::format("{} ack {}", channel, delivery_tag));
    }
    void acknowledge_up_to(ChannelNumber channel, std::uint64_t delivery_tag) override {
        said.push_back(fmt::format("{} ack up to {}", channel, delivery_tag));
    }
};

struct Bench {
    using Clock = std::chrono::steady_clock;

    Notebook broker;
    Statistics statistics;
    int resets = 0;
    Clock::time_point now = Clock::now();
    std::unique_ptr<SubscriptionChannel> channel;

    explicit Bench(std::size_t prefetch, const std::string& exchange = "") {
        Subscription subscription;
        subscription.queue = exchange.empty() ? "queue" : "";
        subscription.broadcast_exchange = exchange;
        subscription.prefetch = prefetch;
        subscription.deliver = [](Delivery&&) {};
        subscription.reset = [this] { ++resets; };
        channel =
            std::make_unique<SubscriptionChannel>(2, subscription, ConnectionSettings{}, broker, statistics);
    }
    /// Up to consuming; the tag of its consumer.
    std::string begin() {
        channel->connection_opened();
        return answer_opening();
    }
    std::string answer_opening() {
        channel->opened();
        channel->prefetch_set();
        const auto tag = last_tag();
        channel->consumer_started(tag);
        broker.take();
        return tag;
    }
    std::string last_tag() const {
        const auto& text = broker.said.back();
        return text.substr(text.rfind(' ') + 1);
    }
    Delivery deliver(std::uint64_t tag, std::int64_t count = 0) {
        Delivery delivery;
        delivery.token.tag = tag;
        delivery.delivery_count = count;
        CHECK(channel->delivered(delivery, now));
        return delivery;
    }
};

TEST_CASE("a subscription opens its channel, sets prefetch 1 and consumes") {
    Bench bench(32);
    bench.channel->connection_opened();
    CHECK(bench.broker.take() == Said{"3 open"});
    bench.channel->opened();
    CHECK(bench.broker.take() == Said{"3 prefetch 1"});
    bench.channel->prefetch_set();
    CHECK(bench.broker.said == Said{"3 consume queue as 2.1.1"});
    CHECK_FALSE(bench.channel->consuming());
    CHECK(bench.channel->trouble() != "");
    bench.channel->consumer_started("2.1.1");
    CHECK(bench.channel->consuming());
    CHECK(bench.channel->trouble() == "");
    CHECK(bench.resets == 0);
}

TEST_CASE("it widens once, at the first delivery that is no suspect") {
    Bench bench(32);
    bench.begin();
    bench.deliver(1, 2);
    bench.deliver(2, 7);
    CHECK(bench.broker.take().empty());
    const auto delivery = bench.deliver(3, 1);
    CHECK(delivery.token.subscription == 2);
    CHECK(delivery.token.generation == 1);
    CHECK(delivery.queue == "queue");
    CHECK(bench.broker.take() == Said{"3 cancel 2.1.1", "3 prefetch 32", "3 consume queue as 2.1.2"});
    CHECK(bench.channel->consuming());
    bench.channel->consumer_cancelled("2.1.1");
    bench.channel->prefetch_set();
    bench.channel->consumer_started("2.1.2");
    bench.deliver(4, 0);
    CHECK(bench.broker.take().empty());
    CHECK(bench.channel->consuming());
    for (std::uint64_t tag = 1; tag <= 4; ++tag) bench.channel->acknowledge({2, 1, tag});
    CHECK(bench.broker.take() == Said{"3 ack 1", "3 ack 2", "3 ack 3", "3 ack 4"});
}

TEST_CASE("what comes before its consumer is said to run widens it afterwards") {
    Bench bench(32);
    bench.channel->connection_opened();
    bench.channel->opened();
    bench.channel->prefetch_set();
    bench.broker.take();
    bench.deliver(1);
    bench.channel->acknowledge({2, 1, 1});
    CHECK(bench.broker.take() == Said{"3 ack 1"});
    bench.channel->consumer_started("2.1.1");
    CHECK(bench.broker.take() == Said{"3 cancel 2.1.1", "3 prefetch 32", "3 consume queue as 2.1.2"});
    CHECK(bench.channel->consuming());
}

TEST_CASE("it widens when the first suspect is acknowledged: the process has outlived it") {
    Bench bench(32);
    bench.begin();
    bench.deliver(1, 2);
    CHECK(bench.broker.take().empty());
    bench.channel->acknowledge({2, 1, 1});
    CHECK(bench.broker.take() ==
          Said{"3 ack 1", "3 cancel 2.1.1", "3 prefetch 32", "3 consume queue as 2.1.2"});
    bench.channel->consumer_cancelled("2.1.1");
    bench.channel->prefetch_set();
    bench.channel->consumer_started("2.1.2");
    bench.deliver(2, 2);
    bench.channel->acknowledge({2, 1, 2});
    CHECK(bench.broker.take() == Said{"3 ack 2"});
}

TEST_CASE("a subscription of prefetch 1 has nothing to widen") {
    Bench bench(1);
    bench.begin();
    bench.deliver(1);
    CHECK(bench.broker.take().empty());
}

TEST_CASE("only tags that are outstanding on this opening are acknowledged") {
    Bench bench(1);
    bench.begin();
    bench.deliver(1);
    bench.channel->acknowledge({2, 1, 1});
    bench.channel->acknowledge({2, 1, 1});
    bench.channel->acknowledge({2, 1, 2});
    CHECK(bench.broker.take() == Said{"3 ack 1"});
    bench.deliver(2);
    bench.channel->connection_lost();
    CHECK(bench.resets == 1);
    CHECK(bench.channel->unacknowledged() == 0);
    bench.channel->acknowledge({2, 1, 2});
    bench.begin();
    const auto again = bench.deliver(2);
    CHECK(again.token.generation > 1);
    bench.channel->acknowledge({2, 1, 2});
    CHECK(bench.broker.take().empty());
    bench.channel->acknowledge(again.token);
    CHECK(bench.broker.take() == Said{"3 ack 2"});
    CHECK(bench.statistics.stale_acks == 4);
    CHECK(bench.statistics.acked == 2);
}

TEST_CASE("one command acknowledges all before which nothing is outstanding") {
    Bench bench(32);
    bench.begin();
    bench.deliver(1);
    bench.channel->acknowledge({2, 1, 1});
    bench.broker.take();
    for (std::uint64_t tag = 2; tag <= 9; ++tag) bench.deliver(tag);
    const auto acknowledge = [&](const std::vector<std::uint64_t>& tags) {
        std::vector<AckToken> tokens;
        for (const auto tag : tags) tokens.push_back({2, 1, tag});
        bench.channel->acknowledge(tokens);
        return bench.broker.take();
    };
    CHECK(acknowledge({3, 2, 6, 4}) == Said{"3 ack up to 4", "3 ack 6"});
    CHECK(acknowledge({7, 8}) == Said{"3 ack 7", "3 ack 8"});
    CHECK(acknowledge({5}) == Said{"3 ack 5"});
    CHECK(acknowledge({9, 5}) == Said{"3 ack 9"});
    CHECK(bench.statistics.acked == 9);
    CHECK(bench.statistics.stale_acks == 1);
    CHECK(bench.channel->unacknowledged() == 0);
}

TEST_CASE("a channel that the broker closes is opened again later each time, narrow") {
    Bench bench(32);
    bench.begin();
    bench.deliver(1);
    bench.channel->consumer_started(bench.last_tag());
    bench.broker.take();
    auto shortest = milliseconds(50);
    for (int i = 0; i < 4; ++i) {
        bench.channel->closed_by_broker("NOT_FOUND - no queue", bench.now);
        CHECK(bench.broker.take() == Said{"3 close-ok"});
        CHECK(bench.resets == i + 1);
        CHECK(bench.channel->trouble() == "queue: NOT_FOUND - no queue");
        REQUIRE(bench.channel->next_due());
        CHECK(*bench.channel->next_due() >= bench.now + shortest);
        bench.channel->tick(bench.now);
        CHECK(bench.broker.take().empty());
        bench.now = *bench.channel->next_due();
        bench.channel->tick(bench.now);
        CHECK(bench.broker.take() == Said{"3 open"});
        CHECK(bench.channel->trouble() == "queue: NOT_FOUND - no queue");
        bench.channel->opened();
        CHECK(bench.broker.take() == Said{"3 prefetch 1"});
        shortest *= 2;
    }
    bench.channel->prefetch_set();
    bench.channel->consumer_started(bench.last_tag());
    CHECK(bench.channel->consuming());
    CHECK(bench.channel->next_due() == std::nullopt);
}

TEST_CASE("a consumer that the broker cancels costs its channel") {
    Bench bench(1);
    const auto tag = bench.begin();
    bench.deliver(1);
    bench.channel->cancelled_by_broker("another", bench.now);
    CHECK(bench.broker.take().empty());
    bench.channel->cancelled_by_broker(tag, bench.now);
    CHECK(bench.broker.take() == Said{"3 close"});
    CHECK(bench.resets == 1);
    CHECK_FALSE(bench.channel->consuming());
    Delivery late;
    CHECK_FALSE(bench.channel->delivered(late, bench.now));
    SUBCASE("answered at once") {
        bench.channel->closed(bench.now);
    }
    SUBCASE("answered late") {
        bench.channel->tick(bench.now + seconds(10));
        bench.now += seconds(10);
        bench.channel->closed(bench.now);
        CHECK(bench.broker.take() == Said{"3 open"});
        return;
    }
    SUBCASE("the broker closes at the same time") {
        bench.channel->closed_by_broker("why", bench.now);
        CHECK(bench.broker.take() == Said{"3 close-ok"});
        bench.channel->closed(bench.now);
    }
    CHECK(bench.broker.take().empty());
    bench.channel->tick(*bench.channel->next_due());
    CHECK(bench.broker.take() == Said{"3 open"});
    CHECK(bench.resets == 1);
}

TEST_CASE("stopping cancels what runs and begins nothing new") {
    Bench bench(32);
    SUBCASE("before it was connected") {
        bench.channel->stop();
        CHECK(bench.channel->stopped());
        bench.channel->connection_opened();
        CHECK(bench.broker.take().empty());
        return;
    }
    SUBCASE("while its channel is opened") {
        bench.channel->connection_opened();
        bench.broker.take();
        bench.channel->stop();
        CHECK_FALSE(bench.channel->stopped());
        bench.channel->opened();
        CHECK(bench.broker.take().empty());
    }
    SUBCASE("while its consumer is begun") {
        bench.channel->connection_opened();
        bench.channel->opened();
        bench.channel->prefetch_set();
        const auto tag = bench.last_tag();
        bench.broker.take();
        bench.channel->stop();
        CHECK(bench.broker.take().empty());
        bench.deliver(1);
        bench.channel->consumer_started(tag);
        CHECK(bench.broker.take() == Said{"3 cancel " + tag});
        bench.deliver(2);
        CHECK(bench.broker.take().empty());
        CHECK_FALSE(bench.channel->stopped());
        bench.channel->consumer_cancelled(tag);
        bench.channel->acknowledge({2, 1, 1});
        CHECK(bench.broker.take() == Said{"3 ack 1"});
    }
    SUBCASE("while it widens") {
        const auto narrow = bench.begin();
        bench.deliver(1);
        const auto wide = bench.last_tag();
        bench.broker.take();
        bench.channel->stop();
        CHECK(bench.broker.take().empty());
        bench.channel->consumer_cancelled(narrow);
        bench.channel->consumer_started(wide);
        CHECK(bench.broker.take() == Said{"3 cancel " + wide});
        CHECK_FALSE(bench.channel->stopped());
        bench.channel->consumer_cancelled(wide);
    }
    SUBCASE("while it consumes and the broker closes the channel") {
        bench.begin();
        bench.channel->stop();
        bench.channel->closed_by_broker("why", bench.now);
        CHECK(bench.channel->next_due() == std::nullopt);
    }
    SUBCASE("while it waits to open again") {
        bench.begin();
        bench.channel->closed_by_broker("why", bench.now);
        bench.channel->stop();
        bench.channel->tick(bench.now + seconds(100));
        CHECK_FALSE(bench.channel->has_channel());
    }
    CHECK(bench.channel->stopped());
    CHECK_FALSE(bench.channel->consuming());
    bench.channel->connection_lost();
    CHECK(bench.channel->stopped());
}

TEST_CASE("a broadcast resets once its queue is bound and before it consumes") {
    Bench bench(50, "catalogue");
    bench.channel->connection_opened();
    bench.channel->opened();
    CHECK(bench.broker.take() == Said{"3 open", "3 declare"});
    bench.channel->queue_declared("amq.gen-1");
    CHECK(bench.broker.take() == Said{"3 bind amq.gen-1 to catalogue"});
    CHECK(bench.resets == 0);
    bench.channel->bound();
    CHECK(bench.resets == 1);
    CHECK(bench.broker.said == Said{"3 consume amq.gen-1 as 2.1.1 without ack"});
    bench.channel->consumer_started(bench.last_tag());
    bench.broker.take();
    bench.deliver(1);
    CHECK(bench.broker.take().empty());
    CHECK(bench.channel->unacknowledged() == 0);
    bench.channel->connection_lost();
    CHECK(bench.resets == 1);
    bench.channel->connection_opened();
    bench.channel->opened();
    bench.channel->queue_declared("amq.gen-2");
    bench.channel->bound();
    CHECK(bench.resets == 2);
}

}  // namespace
}  // namespace cartwright::amqp
