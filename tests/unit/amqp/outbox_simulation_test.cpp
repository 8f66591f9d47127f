// Random brokers: answers out of order, several at once, refusals, returns, lost channels and connections.
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "common/amqp/outbox.hpp"

namespace cartwright::amqp {
namespace {

using std::chrono::milliseconds;

/// One history; every publish must end with its callback called once, after the broker took each of its
/// messages.
struct Simulation {
    std::mt19937 random;
    PublisherLimits limits;
    Statistics statistics;
    Clock::time_point now = Clock::now();
    Outbox outbox;
    bool open = false;
    double trouble = 0.2;  ///< how often things go wrong
    std::uint64_t next_number = 1;
    std::uint64_t last_returned = 0;
    std::map<std::uint64_t, Outgoing> in_flight;  ///< as the broker sees it
    std::set<std::string> accepted;               ///< ids that the broker took and confirmed
    std::map<std::string, int> times_sent;
    std::vector<int> calls;
    std::vector<std::vector<std::string>> batches;  ///< ids that each callback waits for
    std::vector<std::pair<std::shared_ptr<OrderedRun>, std::vector<std::string>>> runs;
    int names = 0;

    explicit Simulation(unsigned seed) : random(seed), limits(small_limits()), outbox(limits, statistics) {}

    static PublisherLimits small_limits() {
        PublisherLimits made;
        made.window_messages_max = 8;
        made.window_bytes_max = 4'000;
        made.best_effort_timeout = milliseconds(300);
        return made;
    }
    std::size_t below(std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
    }
    bool chance(double probability) { return std::bernoulli_distribution(probability)(random); }

    Outgoing message() {
        Outgoing made;
        made.exchange = "exchange";
        made.routing_key = "key" + std::to_string(below(3));
        made.message_id = std::to_string(names++);
        made.body = std::string(below(1'500), 'x');
        return made;
    }

    void publish() {
        std::vector<Outgoing> messages;
        const auto batch = batches.size();
        batches.emplace_back();
        calls.push_back(0);
        for (auto left = below(6); left > 0; --left) {
            messages.push_back(message());
            if (chance(0.2)) {
                messages.back().effort = Effort::best_effort;
            } else {
                batches[batch].push_back(messages.back().message_id);
            }
        }
        outbox.add(std::move(messages), [this, batch] { ++calls[batch]; }, now);
    }

    void publish_run() {
        std::vector<Outgoing> messages;
        std::vector<std::string> ids;
        for (auto left = 1 + below(5); left > 0; --left) {
            messages.push_back(message());
            ids.push_back(messages.back().message_id);
        }
        auto run = std::make_shared<OrderedRun>(messages.size());
        outbox.add(run, std::move(messages), now);
        runs.emplace_back(run, ids);
    }

    void send() {
        while (const auto* next = outbox.start_next(now)) {
            REQUIRE(open);
            outbox.update_gauges(now);
            REQUIRE(statistics.unconfirmed <= static_cast<std::int64_t>(limits.window_messages_max));
            ++times_sent[next->message_id];
            in_flight[next_number++] = *next;
        }
    }

    void answer() {
        if (in_flight.empty()) return;
        const auto chosen =
            std::next(in_flight.begin(), static_cast<std::ptrdiff_t>(below(in_flight.size())));
        const auto number = chosen->first;
        const bool refused = chance(trouble);
        // What is unroutable is returned before it is confirmed; returns come in the order of publishing.
        const bool returned = !refused && number > last_returned && chance(trouble);
        if (returned) {
            outbox.returned(chosen->second, "NO_ROUTE");
            last_returned = number;
        }
        const bool multiple = chance(0.3);
        const auto from = multiple ? in_flight.begin() : chosen;
        for (auto at = from; at != std::next(chosen); ++at)
            if (!refused && !(returned && at == chosen)) accepted.insert(at->second.message_id);
        in_flight.erase(from, std::next(chosen));
        outbox.answered(number, multiple, refused ? Confirm::refused : Confirm::accepted, now);
    }

    void lose(bool connection) {
        if (!open) return;
        open = false;
        if (connection) {
            outbox.connection_lost();
        } else {
            outbox.channel_lost(now, "closed");
        }
        in_flight.clear();
        next_number = 1;
        last_returned = 0;
    }

    void call() {
        for (const auto& callback : outbox.take_callbacks()) callback();
        for (std::size_t batch = 0; batch < batches.size(); ++batch) {
            REQUIRE(calls[batch] <= 1);
            if (calls[batch] == 0) continue;
            for (const auto& id : batches[batch]) REQUIRE(accepted.count(id) == 1);
        }
    }

    void step() {
        now += milliseconds(below(40));
        const auto action = below(100);
        if (action < 15) publish();
        if (action >= 15 && action < 20) publish_run();
        if (action >= 20 && action < 80) answer();
        if (action >= 80 && action < 83 && chance(5 * trouble)) lose(action == 80);
        if (action >= 83 && action < 88) outbox.expire(now);
        if (action == 88 && !runs.empty()) runs[below(runs.size())].first->wait(Clock::time_point());
        if (!open && chance(0.5)) {
            open = true;
            outbox.channel_opened(now);
        }
        send();
        call();
    }

    void finish() {
        trouble = 0;
        for (int i = 0; i < 20'000 && outbox.outstanding() > 0; ++i) {
            now += milliseconds(20);
            if (!open) outbox.channel_opened(now);
            open = true;
            outbox.expire(now);
            send();
            answer();
            call();
        }
    }
};

TEST_CASE("whatever happens, all is confirmed in the end, no callback is missing and none comes twice") {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Simulation simulation(seed);
        for (int i = 0; i < 500; ++i) simulation.step();
        simulation.finish();
        REQUIRE(simulation.outbox.outstanding() == 0);
        for (const auto called : simulation.calls) REQUIRE(called == 1);
        REQUIRE(simulation.outbox.trouble().empty());
        for (auto& [run, ids] : simulation.runs) {
            const auto answers = run->wait(Clock::time_point());
            for (std::size_t i = 0; i < ids.size(); ++i) {
                const auto sent = simulation.times_sent[ids[i]];
                REQUIRE(sent == (answers[i] == Confirm::unsent ? 0 : 1));
                if (answers[i] == Confirm::accepted) REQUIRE(simulation.accepted.count(ids[i]) == 1);
            }
        }
    }
}

}  // namespace
}  // namespace cartwright::amqp
