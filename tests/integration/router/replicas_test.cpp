// Four routers at once on shuffled and repeated doorbells, with refusals, deaths and cut connections.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "common/outcome/trouble.hpp"
#include "tests/integration/router/stage.hpp"
#include "tests/support/rounds.hpp"

using namespace cartwright;
using namespace cartwright::tests;
using amqp::Confirm;

namespace {

/// A queue of doorbells that several routers take from.
class Doorbells {
  public:
    explicit Doorbells(std::vector<worker::Member> members) : members_(std::move(members)) {}

    std::vector<worker::Member> take(std::mt19937& random) {
        const std::lock_guard lock(mutex_);
        std::vector<worker::Member> batch;
        for (auto left = 1 + random() % 40; left > 0 && !members_.empty(); --left) {
            batch.push_back(std::move(members_.back()));
            members_.pop_back();
        }
        out_ += batch.size();
        return batch;
    }
    void give_back(std::vector<worker::Member> members) {
        const std::lock_guard lock(mutex_);
        members_.insert(members_.begin(), members.begin(), members.end());
    }
    void finish(std::size_t members) {
        const std::lock_guard lock(mutex_);
        out_ -= members;
    }
    bool empty() {
        const std::lock_guard lock(mutex_);
        return members_.empty() && out_ == 0;
    }

  private:
    std::mutex mutex_;
    std::vector<worker::Member> members_;
    std::size_t out_ = 0;
};

/// One router's lane: runs batches until no doorbell is left anywhere.
void run_lane(Stage& stage, Doorbells& doorbells, unsigned seed) {
    std::mt19937 random(seed);
    auto handler = stage.another_router();
    while (!doorbells.empty()) {
        const auto batch = doorbells.take(random);
        if (batch.empty()) {
            std::this_thread::yield();
            continue;
        }
        std::vector<worker::Member> back;
        try {
            const auto result = handler->handle(batch);
            for (std::size_t i = 0; i < batch.size(); ++i) {
                if (std::holds_alternative<outcome::Done>(result.verdicts[i])) continue;
                back.push_back(batch[i]);
                if (std::holds_alternative<outcome::Later>(result.verdicts[i])) ++back.back().attempts;
            }
        } catch (const Death&) {
            handler = stage.another_router();
            back = batch;
        } catch (const outcome::Unavailable&) {
            back = batch;
        }
        doorbells.give_back(std::move(back));
        doorbells.finish(batch.size());
    }
}

void run_lanes(Stage& stage, Doorbells& doorbells) {
    std::vector<std::thread> lanes;
    for (unsigned lane = 1; lane <= 4; ++lane) {
        lanes.emplace_back([&, lane] { run_lane(stage, doorbells, lane); });
    }
    for (auto& lane : lanes) lane.join();
}

/// Every message twice, in any order.
Doorbells shuffled_twice(Stage& stage) {
    auto all = stage.every_message();
    const auto again = all;
    all.insert(all.end(), again.begin(), again.end());
    std::mt19937 random(7);
    std::shuffle(all.begin(), all.end(), random);
    return Doorbells(std::move(all));
}

/// Messages of each seller.
const int each = rounds_or(1'800) / 12;

const std::vector<std::string> twelve{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};

}  // namespace

TEST_CASE("four routers on shuffled and repeated messages deliver each once and in sequence") {
    auto config = quick();
    config.catch_up_max = 40;
    Stage stage(config);
    stage.number(twelve, each);
    auto doorbells = shuffled_twice(stage);
    run_lanes(stage, doorbells);
    for (const auto& seller : twelve) CHECK(stage.sellers.arrivals(seller) == from_to(1, each));
    CHECK(stage.sellers.in_sequence());
}

TEST_CASE("refusals, deaths and cut connections: first arrivals stay in sequence and all arrive") {
    auto config = quick();
    config.catch_up_max = 30;
    config.retry_delay_min = std::chrono::milliseconds(1);
    config.retry_delay_max = std::chrono::milliseconds(20);
    Stage stage(config);
    stage.number(twelve, each);
    std::mt19937 random(11);
    std::string refusing;
    bool trouble_allowed = true;
    stage.sellers.dies_after = [&](std::size_t size) {
        refusing.clear();
        if (!trouble_allowed || random() % 4 != 0) return size + 1;
        return static_cast<std::size_t>(random() % (size + 1));
    };
    // Once a queue has refused, it refuses the rest of the run.
    stage.sellers.answer = [&](const amqp::Outgoing& message) {
        if (trouble_allowed && refusing.empty() && random() % 60 == 0) refusing = message.routing_key;
        return message.routing_key == refusing ? Confirm::returned : Confirm::accepted;
    };
    auto doorbells = shuffled_twice(stage);
    run_lanes(stage, doorbells);
    CHECK(stage.sellers.in_sequence());
    // A death may have taken what a router knew of unfinished streams with it; the sweep needs no doorbell.
    trouble_allowed = false;
    for (const auto& seller : twelve) Stage::let_go(seller);
    for (int look = 0; look < 3; ++look) stage.router->tick();
    CHECK(stage.sellers.in_sequence());
    for (const auto& seller : twelve) {
        CHECK(Stage::delivered(seller) == each);
        const auto numbers = stage.sellers.arrivals(seller);
        CHECK(std::set(numbers.begin(), numbers.end()).size() == static_cast<std::size_t>(each));
    }
    std::map<std::string, std::string> bodies;
    for (const auto& sent : stage.sellers.all()) {
        CHECK(bodies.try_emplace(sent.message_id, sent.body).first->second == sent.body);
    }
}

TEST_CASE("a router and a sweep at once on the same streams send nothing twice") {
    Stage stage;
    stage.number(twelve, 60);
    stage.router->tick();
    auto doorbells = shuffled_twice(stage);
    std::thread sweeping([&] { stage.router->tick(); });
    run_lanes(stage, doorbells);
    sweeping.join();
    for (const auto& seller : twelve) CHECK(stage.sellers.arrivals(seller) == from_to(1, 60));
}
