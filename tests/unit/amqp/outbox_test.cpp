#include "common/amqp/outbox.hpp"

#include <doctest/doctest.h>

namespace cartwright::amqp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Outgoing message(const std::string& id, Effort effort = Effort::confirmed) {
    Outgoing made;
    made.exchange = "exchange";
    made.routing_key = "key";
    made.message_id = id;
    made.effort = effort;
    return made;
}

struct Bench {
    PublisherLimits limits;
    Statistics statistics;
    Clock::time_point now = Clock::now();
    std::unique_ptr<Outbox> outbox;
    int calls = 0;

    explicit Bench(std::size_t window = 100) {
        limits.window_messages_max = window;
        outbox = std::make_unique<Outbox>(limits, statistics);
        outbox->channel_opened(now);
    }
    void publish(std::vector<Outgoing> messages) {
        outbox->add(std::move(messages), [this] { ++calls; }, now);
    }
    std::shared_ptr<OrderedRun> run(const std::vector<Outgoing>& messages) {
        auto made = std::make_shared<OrderedRun>(messages.size());
        outbox->add(made, messages, now);
        return made;
    }
    std::vector<std::string> send() {
        std::vector<std::string> ids;
        while (const auto* next = outbox->start_next(now)) ids.push_back(next->message_id);
        return ids;
    }
    /// The first answer on a channel, after which the whole window is open.
    void warm_up() {
        publish({message("warm-up")});
        send();
        accept(1);
        call();
        calls = 0;
    }
    void accept(std::uint64_t number, bool multiple = false) {
        outbox->answered(number, multiple, Confirm::accepted, now);
    }
    void refuse(std::uint64_t number) { outbox->answered(number, false, Confirm::refused, now); }
    void call() {
        for (const auto& callback : outbox->take_callbacks()) callback();
    }
    static std::vector<Confirm> answers(OrderedRun& run) { return run.wait(Clock::now()); }
};

using Texts = std::vector<std::string>;

TEST_CASE("the first message on a channel goes alone until it is answered, or for a second") {
    Bench bench;
    bench.publish({message("1"), message("2"), message("3")});
    CHECK(bench.send() == Texts{"1"});
    CHECK(bench.outbox->next_due(bench.now) == bench.now + seconds(1));
    SUBCASE("answered") {
        bench.accept(1);
    }
    SUBCASE("a second later") {
        bench.now += seconds(1);
    }
    CHECK(bench.send() == Texts{"2", "3"});
}

TEST_CASE("the callback comes once, after the last confirm, whatever their order") {
    Bench bench;
    bench.warm_up();
    bench.publish({message("1"), message("2", Effort::best_effort), message("3")});
    CHECK(bench.send() == Texts{"1", "2", "3"});
    bench.accept(4);
    bench.call();
    CHECK(bench.calls == 0);
    bench.accept(2);
    bench.call();
    CHECK(bench.calls == 1);
    CHECK(bench.outbox->outstanding() == 1);
    bench.accept(3);
    bench.call();
    CHECK(bench.calls == 1);
    CHECK(bench.outbox->outstanding() == 0);
}

TEST_CASE("with nothing to confirm the callback is there at once, connected or not") {
    Bench bench;
    bench.outbox->connection_lost();
    bench.publish({});
    bench.publish({message("1", Effort::best_effort)});
    bench.call();
    CHECK(bench.calls == 2);
}

TEST_CASE("what is refused waits longer each time, and does not hold up others") {
    Bench bench;
    bench.warm_up();
    bench.publish({message("1")});
    std::uint64_t number = 2;
    for (const auto delay : {50, 100, 200, 400}) {
        CHECK(bench.send() == Texts{"1"});
        bench.refuse(number++);
        CHECK(bench.outbox->trouble().find("refused") != std::string::npos);
        CHECK(bench.send().empty());
        CHECK(*bench.outbox->next_due(bench.now) >= bench.now + milliseconds(delay / 2));
        CHECK(*bench.outbox->next_due(bench.now) <= bench.now + milliseconds(delay));
        bench.publish({message("other")});
        CHECK(bench.send() == Texts{"other"});
        bench.accept(number++);
        bench.now += milliseconds(delay);
    }
    CHECK(bench.send() == Texts{"1"});
    bench.accept(number);
    bench.call();
    CHECK(bench.calls == 5);
    CHECK(bench.outbox->trouble().empty());
}

TEST_CASE("a message that was returned is not confirmed by its ack") {
    Bench bench;
    bench.warm_up();
    bench.publish({message("1"), message("2")});
    bench.send();
    bench.outbox->returned(message("2"), "NO_ROUTE");
    bench.accept(3, true);
    bench.call();
    CHECK(bench.calls == 0);
    CHECK(bench.outbox->trouble() == "exchange exchange, key key: returned, no queue takes it (NO_ROUTE)");
    bench.now += seconds(1);
    CHECK(bench.send() == Texts{"2"});
    bench.accept(4);
    bench.call();
    CHECK(bench.calls == 1);
    bench.outbox->returned(message("7"), "NO_ROUTE");
    CHECK(bench.statistics.returned_unmatched == 1);
}

TEST_CASE("after a lost connection the unconfirmed goes first, in its order") {
    Bench bench(3);
    bench.warm_up();
    bench.publish({message("1"), message("2", Effort::best_effort), message("3"), message("4")});
    CHECK(bench.send() == Texts{"1", "2", "3"});
    bench.refuse(2);
    bench.now += milliseconds(50);
    CHECK(bench.send() == Texts{"1"});
    bench.outbox->connection_lost();
    CHECK(bench.send().empty());
    CHECK(bench.outbox->next_due(bench.now) == std::nullopt);
    CHECK(bench.statistics.best_effort_lost == 1);
    bench.outbox->channel_opened(bench.now);
    CHECK(bench.send() == Texts{"1"});
    bench.accept(1);
    CHECK(bench.send() == Texts{"3", "4"});
    bench.accept(3, true);
    bench.call();
    CHECK(bench.calls == 1);
}

TEST_CASE("when the channel is closed the message to blame is found and sent alone from then on") {
    Bench bench;
    bench.warm_up();
    bench.publish({message("good 1"), message("bad"), message("good 2")});
    CHECK(bench.send().size() == 3);
    const auto reopen = [&] {
        bench.outbox->channel_lost(bench.now, "NOT_FOUND - no exchange");
        bench.outbox->channel_opened(bench.now);
    };
    reopen();
    CHECK(bench.send() == Texts{"good 1"});
    bench.accept(1);
    CHECK(bench.send() == Texts{"bad"});
    reopen();
    CHECK(bench.outbox->trouble() == "exchange exchange, key key: NOT_FOUND - no exchange");
    CHECK(bench.send() == Texts{"good 2"});
    bench.accept(1);
    bench.publish({message("good 3"), message("good 4")});
    CHECK(bench.send() == Texts{"good 3", "good 4"});
    bench.now += seconds(1);
    CHECK(bench.send().empty());
    bench.accept(3, true);
    CHECK(bench.send() == Texts{"bad"});
    bench.publish({message("good 5")});
    CHECK(bench.send().empty());
    bench.accept(4);
    CHECK(bench.send() == Texts{"good 5"});
    CHECK(bench.outbox->trouble().empty());
}

TEST_CASE("who must go alone neither waits nor keeps others waiting for ever") {
    Bench bench;
    bench.warm_up();
    bench.publish({message("never answered")});
    bench.send();
    bench.now += seconds(10);
    bench.publish({message("bad")});
    bench.send();
    bench.outbox->channel_lost(bench.now, "closed");
    bench.outbox->channel_opened(bench.now);
    CHECK(bench.send() == Texts{"never answered"});
    bench.now += seconds(4);
    CHECK(bench.send().empty());
    CHECK(*bench.outbox->next_due(bench.now) == bench.now + seconds(1));
    bench.now += seconds(1);
    CHECK(bench.send() == Texts{"bad"});
    bench.publish({message("other")});
    CHECK(bench.send().empty());
    bench.now += seconds(5);
    CHECK(bench.send() == Texts{"other"});
}

TEST_CASE("the one to blame is the one sent alone last, also beside one that is never answered") {
    Bench bench;
    bench.warm_up();
    bench.publish({message("never answered"), message("bad")});
    bench.send();
    bench.outbox->channel_lost(bench.now, "closed");
    bench.outbox->channel_opened(bench.now);
    CHECK(bench.send() == Texts{"never answered"});
    bench.now += seconds(5);
    CHECK(bench.send() == Texts{"bad"});
    bench.outbox->channel_lost(bench.now, "closed");
    bench.outbox->channel_opened(bench.now);
    CHECK(bench.send() == Texts{"never answered"});
    CHECK(bench.statistics.unconfirmed == 0);
    bench.accept(1);
    bench.now += milliseconds(50);
    CHECK(bench.send() == Texts{"bad"});
}

TEST_CASE("best effort is given up after its time: queued, in flight, on the way out") {
    Bench bench(1);
    bench.warm_up();
    bench.publish(
        {message("in flight", Effort::best_effort), message("queued", Effort::best_effort), message("last")});
    CHECK(bench.send() == Texts{"in flight"});
    bench.now += bench.limits.best_effort_timeout - milliseconds(1);
    bench.outbox->expire(bench.now);
    CHECK(bench.outbox->outstanding() == 3);
    bench.now += milliseconds(1);
    SUBCASE("by looking") {
        bench.outbox->expire(bench.now);
        CHECK(bench.outbox->outstanding() == 1);
        CHECK(bench.send() == Texts{"last"});
        bench.accept(2);
        CHECK(bench.outbox->outstanding() == 1);
    }
    SUBCASE("on the way out") {
        bench.accept(2);
        CHECK(bench.send() == Texts{"last"});
    }
    bench.accept(3);
    CHECK(bench.outbox->outstanding() == 0);
    CHECK(bench.statistics.best_effort_lost >= 1);
}

TEST_CASE("a run is answered once and never repeated") {
    Bench bench;
    bench.warm_up();
    auto run = bench.run({message("1"), message("2"), message("3")});
    CHECK(bench.send() == Texts{"1", "2", "3"});
    bench.refuse(3);
    bench.outbox->returned(message("1"), "NO_ROUTE");
    bench.accept(4, true);
    CHECK(Bench::answers(*run) == std::vector{Confirm::returned, Confirm::refused, Confirm::accepted});
    bench.now += seconds(60);
    CHECK(bench.send().empty());
    CHECK(bench.outbox->outstanding() == 0);
    CHECK(bench.outbox->trouble().empty());
}

TEST_CASE("a run whose channel is lost is unknown as far as it was sent, and goes no further") {
    Bench bench(2);
    bench.warm_up();
    auto run = bench.run({message("1"), message("2"), message("3")});
    CHECK(bench.send() == Texts{"1", "2"});
    SUBCASE("connection") {
        bench.outbox->connection_lost();
    }
    SUBCASE("channel") {
        bench.outbox->channel_lost(bench.now, "closed");
    }
    auto late = bench.run({message("4")});
    CHECK(Bench::answers(*run) == std::vector{Confirm::unknown, Confirm::unknown, Confirm::unsent});
    CHECK(Bench::answers(*late) == std::vector{Confirm::unsent});
    bench.outbox->channel_opened(bench.now);
    CHECK(bench.send().empty());
    CHECK(bench.outbox->outstanding() == 0);
}

TEST_CASE("a run whose caller has gone is sent no further and leaves the window") {
    Bench bench(2);
    bench.warm_up();
    auto run = bench.run({message("1"), message("2"), message("3")});
    CHECK(bench.send() == Texts{"1", "2"});
    CHECK(Bench::answers(*run) == std::vector{Confirm::unknown, Confirm::unknown, Confirm::unsent});
    bench.publish({message("next")});
    SUBCASE("answered") {
        bench.accept(3, true);
    }
    SUBCASE("not answered") {
        bench.outbox->expire(bench.now);
    }
    CHECK(bench.send() == Texts{"next"});
}

}  // namespace
}  // namespace cartwright::amqp
