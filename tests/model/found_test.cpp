// What the model has found, each as a scene of its own: who dies, and when, is told by hand.
#include <doctest/doctest.h>

#include "common/log/log.hpp"
#include "tests/model/world.hpp"

using namespace cartwright;
using namespace cartwright::model;

namespace {

constexpr Mutation nothing_missing = Mutation::none;

/// One program of each kind; seller s1 offers what is named.
std::function<void(World&)> small_fleet(std::vector<std::string> skus,
                                        const std::string& destination = "shared") {
    return [skus = std::move(skus), destination](World& world) {
        const auto warehouse = std::vector<WarehouseId>{WarehouseId("main")};
        world.warehouses.emplace(SellerId("s1"), std::make_shared<const std::vector<WarehouseId>>(warehouse));
        for (const auto& sku : skus) {
            catalogue::Offer offer;
            offer.seller_id = SellerId("s1");
            offer.sku = Sku(sku);
            offer.currency = "BRL";
            offer.active = offer.seller_active = true;
            world.offers.emplace(Sku(sku), std::make_shared<const std::vector<catalogue::Offer>>(1, offer));
        }
        const auto rules = rules_to("v1", destination, "", false);
        add_program(world, Program::Kind::reserver, "reserver1", rules);
        add_program(world, Program::Kind::splitter, "splitter1", rules);
        add_program(world, Program::Kind::router, "router1", rules);
    };
}

Cart cart(const std::string& order, ShortagePolicy policy, const std::map<std::string, std::int64_t>& units) {
    Cart cart;
    cart.order_id = OrderId(order);
    cart.channel = "web";
    cart.currency = "BRL";
    cart.paid = true;
    cart.policy = policy;
    for (const auto& [sku, quantity] : units) {
        CartLine line;
        line.line_id = LineId("l" + sku);
        line.sku = Sku(sku);
        line.quantity = quantity;
        cart.lines.push_back(std::move(line));
    }
    return cart;
}

message::StockMoved receipt(const std::string& sku, std::int64_t units) {
    message::Movement movement;
    movement.seller_id = SellerId("s1");
    movement.sku = Sku(sku);
    movement.warehouse = WarehouseId("main");
    movement.quantity = units;
    movement.occurred_at = *from_rfc3339("2025-12-31T00:00:00Z");
    return {{movement}};
}

message::OrderCancellation cancellation(const std::string& order) {
    message::OrderCancellation cancellation;
    cancellation.order_id = OrderId(order);
    cancellation.reason = "changed my mind";
    return cancellation;
}

Text state_of(World& world, const std::string& order) {
    const auto* row = world.database.orders.find(order, nullptr);
    return row == nullptr ? "unknown" : row->state;
}

/// The next commit of this lane is the last thing that its process does.
void die_after_commit(World& world, Program& program, const std::string& lane, std::function<bool()> when) {
    world.committed = [&world, &program, lane, when = std::move(when),
                       done = false](const Work& work) mutable {
        if (done || work.lane != lane || !when()) return;
        done = true;
        world.doom(program);
    };
}

std::string broken(const World& world) {
    return world.promises.first_broken().value_or("");
}

}  // namespace

// Taken away: that the lines of a cancelled order count as touched when its cancellation comes again.
TEST_CASE("a cancellation that nobody told of is told of, and rung for, by its repeat") {
    log::set_level(log::Level::error);
    World world(1, nothing_missing, false, small_fleet({"k1"}));
    add_stock(world, "s1", "k1", "main", 2);
    world.promises.begin();
    add_cart(world, cart("o1", ShortagePolicy::all_or_nothing, {{"k1", 2}}), {});
    world.calm();
    add_cart(world, cart("o2", ShortagePolicy::hold, {{"k1", 2}}), {});
    world.calm();
    REQUIRE(state_of(world, "o2") == "pending");

    die_after_commit(world, *world.programs.front(), "reserver1/movements", [] { return true; });
    add_cancellation(world, "c1", cancellation("o1"));
    world.calm();
    CHECK(broken(world) == "");
    CHECK(state_of(world, "o1") == "cancelled");
    CHECK(state_of(world, "o2") == "ready");
}

// Taken away: that the courier looks up what it believes to go to a queue before it gives it back.
TEST_CASE(
    "a number that may have reached an endpoint is repeated there although the rules want a queue now") {
    log::set_level(log::Level::error);
    World world(1, nothing_missing, false, small_fleet({"k1"}, "e1"));
    add_stock(world, "s1", "k1", "main", 5);
    world.promises.begin();
    world.endpoints.unanswered = 1;
    const Stream stream{"s1", "main"};
    world.committed = [&](const Work&) {
        const auto* row = world.database.deliveries.find(stream, nullptr);
        if (row != nullptr && row->doubtful == 1)
            world.programs.back()->rules = rules_to("v2", "shared", "", false);
    };
    add_cart(world, cart("o1", ShortagePolicy::all_or_nothing, {{"k1", 1}}), {});
    world.calm();
    add_cart(world, cart("o2", ShortagePolicy::all_or_nothing, {{"k1", 1}}), {});
    world.calm();
    CHECK(broken(world) == "");
    REQUIRE(world.database.deliveries.find(stream, nullptr) != nullptr);
    CHECK(world.database.deliveries.find(stream, nullptr)->last_delivered == 2);
    CHECK(world.database.deliveries.find(stream, nullptr)->destination == "shared");
}

// Taken away: that what a rejected held cart kept from younger ones stays written down until they were seen.
TEST_CASE("a held cart that is rejected frees what it kept also when its worker dies in between") {
    log::set_level(log::Level::error);
    World world(1, nothing_missing, false, small_fleet({"k1", "k2"}));
    add_stock(world, "s1", "k1", "main", 0);
    add_stock(world, "s1", "k2", "main", 1);
    world.promises.begin();
    add_cart(world, cart("o1", ShortagePolicy::hold, {{"k1", 1}, {"k2", 1}}), "client/1");
    world.calm();
    add_cart(world, cart("o2", ShortagePolicy::hold, {{"k2", 2}}), "client/2");
    world.calm();
    add_movement(world, "m1", receipt("k2", 1));
    world.calm();
    REQUIRE(state_of(world, "o2") == "pending");

    auto offer = world.offers.at(Sku("k1"))->front();
    offer.active = false;
    world.offers[Sku("k1")] = std::make_shared<const std::vector<catalogue::Offer>>(1, offer);
    die_after_commit(world, *world.programs.front(), "reserver1/fill",
                     [&] { return state_of(world, "o1") == "rejected"; });
    add_movement(world, "m2", receipt("k1", 1));
    world.calm();
    CHECK(broken(world) == "");
    CHECK(state_of(world, "o1") == "rejected");
    CHECK(state_of(world, "o2") == "ready");
}

// Taken away: that a doorbell that comes again answers once more what it published once more.
TEST_CASE("a sender learns what became of its held cart also when the worker dies in between") {
    log::set_level(log::Level::error);
    World world(1, nothing_missing, false, small_fleet({"k1"}));
    add_stock(world, "s1", "k1", "main", 0);
    world.promises.begin();
    add_cart(world, cart("o1", ShortagePolicy::hold, {{"k1", 1}}), "client/1");
    world.calm();
    REQUIRE(state_of(world, "o1") == "pending");
    die_after_commit(world, *world.programs.front(), "reserver1/fill",
                     [&] { return state_of(world, "o1") == "ready"; });
    add_movement(world, "m1", receipt("k1", 1));
    world.calm();
    CHECK(broken(world) == "");
    CHECK(state_of(world, "o1") == "ready");
}
