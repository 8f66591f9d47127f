// Routers before a real broker with the fleet's topology.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "common/amqp/topology.hpp"
#include "common/routing/stream.hpp"
#include "tests/integration/router/stage.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

using Texts = std::vector<std::string>;

amqp::ConnectionSettings connection(const std::string& name) {
    amqp::ConnectionSettings settings;
    settings.url = variable("AMQP_URL");
    settings.name = name;
    return settings;
}

/// A router with a broker connection of its own.
struct Replica {
    amqp::Publisher publisher{connection("router-test"), {}};
    std::unique_ptr<router::Handler> handler;

    explicit Replica(const router::Config& config, std::size_t queues = 8) {
        publisher.start();
        for (int i = 0; i < 1'000 && !publisher.connected(); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        REQUIRE(publisher.connected());
        auto control = std::make_unique<amqp::Control>(connection("router-test-depth"));
        handler = std::make_unique<router::Handler>(
            worker_session("router", false), worker_session("router", false),
            std::make_unique<router::BrokerOutlet>(publisher, std::move(control)), routing::fixed_rules(),
            queues, config);
    }
};

/// Everything that stands in a queue, in order; it is taken out.
std::vector<amqp::Delivery> take_all(amqp::Control& control, const std::string& queue) {
    std::vector<amqp::Delivery> deliveries;
    while (auto delivery = control.get(queue)) {
        control.acknowledge(delivery->token);
        deliveries.push_back(std::move(*delivery));
    }
    return deliveries;
}

void empty_queues(amqp::Control& control) {
    for (std::size_t queue = 0; queue < 8; ++queue) take_all(control, amqp::seller_queue(queue));
}

std::map<std::string, std::vector<amqp::Delivery>> take_all(amqp::Control& control) {
    std::map<std::string, std::vector<amqp::Delivery>> by_seller;
    for (std::size_t queue = 0; queue < 8; ++queue) {
        for (auto& delivery : take_all(control, amqp::seller_queue(queue))) {
            const auto seller = std::find_if(delivery.headers.begin(), delivery.headers.end(),
                                             [](const auto& header) { return header.first == "seller"; });
            REQUIRE(seller != delivery.headers.end());
            const auto& name = std::get<std::string>(seller->second);
            CHECK(routing::shared_queue_of(SellerId(name), 8) == queue);
            by_seller[name].push_back(std::move(delivery));
        }
    }
    return by_seller;
}

std::string seller_for_queue(std::size_t queue, std::size_t queues) {
    for (int i = 0;; ++i) {
        const auto seller = "s" + std::to_string(i);
        if (routing::shared_queue_of(SellerId(seller), queues) == queue) return seller;
    }
}

}  // namespace

TEST_CASE("four routers with shuffled input fill real queues in sequence, once each") {
    amqp::Control control(connection("router-test-reader"));
    empty_queues(control);
    auto config = quick();
    config.catch_up_max = 60;
    Stage stage(config);
    const Texts sellers{"a", "b", "c", "d", "e", "f"};
    stage.number(sellers, 200);
    auto all = stage.every_message();
    std::mt19937 random(3);
    std::shuffle(all.begin(), all.end(), random);

    std::vector<std::thread> lanes;
    for (std::size_t lane = 0; lane < 4; ++lane) {
        lanes.emplace_back([&, lane] {
            Replica replica(config);
            // Each has a quarter of the doorbells, and the neighbour's quarter again.
            for (const auto quarter : {lane, (lane + 1) % 4}) {
                std::vector<worker::Member> batch;
                for (std::size_t i = quarter; i < all.size(); i += 4) batch.push_back(all[i]);
                while (!batch.empty()) {
                    const auto turn = std::span(batch).first(std::min<std::size_t>(batch.size(), 50));
                    const auto result = replica.handler->handle(turn);
                    std::vector<worker::Member> left;
                    for (std::size_t i = 0; i < turn.size(); ++i) {
                        if (std::holds_alternative<outcome::Again>(result.verdicts[i]))
                            left.push_back(turn[i]);
                    }
                    batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(turn.size()));
                    batch.insert(batch.end(), left.begin(), left.end());
                }
            }
        });
    }
    for (auto& lane : lanes) lane.join();

    const auto by_seller = take_all(control);
    CHECK(by_seller.size() == sellers.size());
    for (const auto& [seller, deliveries] : by_seller) {
        REQUIRE(deliveries.size() == 200);
        for (std::size_t i = 0; i < deliveries.size(); ++i) {
            const auto number = static_cast<std::int64_t>(i) + 1;
            CHECK(deliveries[i].message_id == seller + "/main/" + std::to_string(number));
            CHECK(deliveries[i].body == stage.message(seller, number).raw);
            CHECK(deliveries[i].content_type == amqp::json_event);
            CHECK(deliveries[i].type == message::type::seller_order);
            // The broker sorts them.
            CHECK(deliveries[i].headers ==
                  amqp::Headers{{"number", number}, {"seller", seller}, {"stream", "main"}});
        }
    }
}

TEST_CASE("a seller whose queue is not there is held, and delivered from the beginning once it is") {
    amqp::Control control(connection("router-test-reader"));
    empty_queues(control);
    Stage stage;
    // With nine queues the last is one that the topology does not have.
    const auto lonely = seller_for_queue(8, 9);
    const auto happy = seller_for_queue(2, 9);
    stage.number({lonely, happy}, 4);
    auto batch = stage.messages(lonely, from_to(1, 4));
    for (const auto& member : stage.messages(happy, from_to(1, 4))) batch.push_back(member);
    {
        Replica nine(stage.config, 9);
        CHECK(verdicts(nine.handler->handle(batch)) ==
              Texts{"done", "done", "done", "later", "done", "done", "done", "done"});
        CHECK(Stage::delivered(lonely) == 0);
        CHECK(Stage::delivered(happy) == 4);
        CHECK(Stage::row(lonely, "trouble") == "no queue takes it");
    }
    Stage::let_go(lonely);
    Replica eight(stage.config, 8);
    const auto doorbell = from_ladder(stage.messages(lonely, {4}));
    CHECK(verdicts(eight.handler->handle(doorbell)) == Texts{"again"});
    CHECK(verdicts(eight.handler->handle(doorbell)) == Texts{"done"});
    const auto delivered =
        take_all(control, amqp::seller_queue(routing::shared_queue_of(SellerId(lonely), 8)));
    std::vector<std::string> ids;
    for (const auto& delivery : delivered) {
        if (delivery.message_id.starts_with(lonely + "/")) ids.push_back(delivery.message_id);
    }
    CHECK(ids == Texts{lonely + "/main/1", lonely + "/main/2", lonely + "/main/3", lonely + "/main/4"});
}

TEST_CASE("the depth of a real queue holds its streams") {
    amqp::Control control(connection("router-test-reader"));
    empty_queues(control);
    auto config = quick();
    config.seller_queue_depth_max = 3;
    Stage stage(config);
    stage.number({"a"}, 10);
    {
        Replica replica(config);
        CHECK(verdicts(replica.handler->handle(stage.messages("a", from_to(1, 5)))) == Texts(5, "done"));
    }
    // A router that asks anew finds five messages there, more than three.
    Replica replica(config);
    CHECK(verdicts(replica.handler->handle(stage.messages("a", {6}))) == Texts{"later"});
    CHECK(Stage::delivered("a") == 5);
    CHECK(take_all(control).at("a").size() == 5);
    Stage::let_go("a");
    std::this_thread::sleep_for(router::QueueWatch::depth_age_max);
    CHECK(verdicts(replica.handler->handle(from_ladder(stage.messages("a", {6})))) == Texts{"again"});
    CHECK(verdicts(replica.handler->handle(from_ladder(stage.messages("a", {6})))) == Texts{"done"});
    CHECK(take_all(control).at("a").size() == 5);
}
