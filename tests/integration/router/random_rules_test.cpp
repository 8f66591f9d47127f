// A hundred thousand random messages through a real rule set: each at the seller and destination that a plain
// reading of the rules says.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "common/config/rules_file.hpp"
#include "tests/integration/router/hook.hpp"
#include "tests/integration/router/stage.hpp"
#include "workers/splitter/splitter.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

constexpr const char* rules_text = R"(
streams:
  - {name: dear, match: {currency: BRL, value_minor: {from: 5000}}, stream: dear}
  - {name: fragile, match: {category: [glass, china-*], region: [north, south]}, stream: fragile}
  - {name: gold-web, match: {tag: gold, channel: web}, stream: express}
  - {name: far, match: {warehouse: far-*, seller: [seller-1*]}, stream: far}
  - {name: sku, match: {sku: [sku-7, sku-77]}, stream: special}
deliveries:
  - {name: express-own, match: {stream: express}, to: own}
  - {name: dear-api, match: {stream: dear, seller: [seller-1, seller-2, seller-30]}, to: api}
  - {name: own-sellers, match: {seller: [seller-5, seller-9*]}, to: own}
)";

constexpr const char* regions[] = {"north", "south", "east", ""};
constexpr const char* channels[] = {"web", "app", "amazon"};
constexpr const char* categories[] = {"glass", "china-fine", "china", "wood", ""};
constexpr const char* warehouses[] = {"main", "far-north", "far"};

struct Expected {
    std::string stream, destination;
};

/// The rules above, read by a person.
Expected expected(const Order& order, const SellerPart& part) {
    const auto& seller = part.seller_id.str();
    bool glass = false, far = false, special = false, gold = false;
    std::int64_t value = 0;
    for (const auto& line : part.lines) {
        value += line.quantity * line.unit_price_minor;
        glass = glass || line.category == "glass" || line.category.rfind("china-", 0) == 0;
        special = special || line.sku.str() == "sku-7" || line.sku.str() == "sku-77";
        for (const auto& allocation : line.allocations)
            far = far || allocation.warehouse.str().rfind("far-", 0) == 0;
    }
    for (const auto& tag : part.tags) gold = gold || tag == "gold";
    Expected result{"main", "shared"};
    if (order.currency == "BRL" && value >= 5000) {
        result.stream = "dear";
    } else if (glass && (part.region == "north" || part.region == "south")) {
        result.stream = "fragile";
    } else if (gold && order.channel == "web") {
        result.stream = "express";
    } else if (far && seller.rfind("seller-1", 0) == 0) {
        result.stream = "far";
    } else if (special) {
        result.stream = "special";
    }
    if (result.stream == "express") {
        result.destination = "own";
    } else if (result.stream == "dear" &&
               (seller == "seller-1" || seller == "seller-2" || seller == "seller-30")) {
        result.destination = "api";
    } else if (seller == "seller-5" || seller.rfind("seller-9", 0) == 0) {
        result.destination = "own";
    }
    return result;
}

template <class Values>
std::string one_of(std::mt19937& random, const Values& values) {
    return values[random() % std::size(values)];
}

Order random_order(std::mt19937& random, int id) {
    Order order;
    order.order_id = OrderId("o" + std::to_string(id));
    order.channel = one_of(random, channels);
    order.currency = random() % 3 == 0 ? "USD" : "BRL";
    order.paid = true;
    order.placed_at = from_rfc3339("2026-03-01T12:00:00Z");
    std::set<int> sellers;
    for (unsigned i = 0; i <= random() % 4; ++i) sellers.insert(static_cast<int>(random() % 100));
    std::set<std::string> sorted;
    for (const int seller : sellers) sorted.insert("seller-" + std::to_string(seller));
    for (const auto& seller : sorted) {
        SellerPart part{SellerId(seller), one_of(random, regions), {}, {}};
        if (random() % 3 == 0) part.tags.emplace_back("gold");
        if (random() % 3 == 0) part.tags.emplace_back("eco");
        for (unsigned line = 0; line <= random() % 3; ++line) {
            const auto quantity = static_cast<std::int64_t>(1 + random() % 3);
            part.lines.push_back({LineId(seller + "/" + std::to_string(line)),
                                  Sku("sku-" + std::to_string(random() % 200)),
                                  one_of(random, categories),
                                  quantity,
                                  static_cast<std::int64_t>(random() % 2500),
                                  {{WarehouseId(one_of(random, warehouses)), quantity}}});
        }
        order.sellers.push_back(std::move(part));
    }
    return order;
}

std::string header(const amqp::Outgoing& message, const std::string& name) {
    for (const auto& [key, value] : message.headers) {
        if (key == name)
            return std::holds_alternative<std::string>(value) ? std::get<std::string>(value)
                                                              : std::to_string(std::get<std::int64_t>(value));
    }
    return {};
}

}  // namespace

TEST_CASE("a hundred thousand random messages arrive where the rules say, each once") {
    Hook hook;
    // The number of its seller decides, not the value, and it is quick: an endpoint takes one call at a time.
    const std::vector<config::RulesText> files{
        {"rules.yaml", std::string(rules_text) + "destinations: {api: {url: 'https://x.example/', "
                                                 "secrets: [file:/dev/null], calls_max: 8}}\n"}};
    auto loaded = config::load_rules(
        files, [](std::string_view) { return std::optional<std::string>(std::string(24, 'k')); });
    REQUIRE(loaded.problems.empty());
    auto api = hook.destination("api");
    loaded.rules.destinations.at("api").endpoint = api.endpoint;
    Stage stage;
    stage.change_rules(loaded.rules);
    splitter::Handler splitter(worker_session("splitter", false),
                               routing::fixed_rules(routing::Rules(loaded.rules)), splitter::Config{});
    std::mt19937 random(20);
    std::map<std::string, Expected> wanted;  // by order and seller
    int orders = 0;
    while (wanted.size() < 100'000) {
        std::vector<worker::Member> batch;
        for (int i = 0; i < 300; ++i) {
            auto order = random_order(random, orders++);
            for (const auto& part : order.sellers)
                wanted.emplace(order.order_id.str() + " " + part.seller_id.str(), expected(order, part));
            worker::Member member;
            member.event.envelope = {EventId(order.order_id.str() + "/ready"),
                                     std::string(message::type::order_ready),
                                     "test",
                                     {},
                                     {}};
            member.event.payload = message::OrderPlaced{std::move(order)};
            batch.push_back(std::move(member));
        }
        Mail mail;
        mail.add(splitter.handle(batch).outgoing);
        stage.router->handle(mail.members());
    }
    CHECK(comes_true([&] {
        stage.router->tick();
        return number(
                   "select count(*) from seller_stream s left join seller_delivery d using (seller_id, "
                   "stream) "
                   "where s.last_assigned > coalesce(d.last_delivered, 0)") == 0;
    }));

    std::map<std::string, std::pair<std::string, std::string>>
        arrived;  // message id: order and seller, destination
    std::map<std::string, std::string> body_of;
    for (const auto& message : stage.sellers.all()) {
        const auto destination = message.routing_key.starts_with("seller.") ? "own" : "shared";
        REQUIRE(arrived.emplace(message.message_id, std::pair(message.body, destination)).second);
        if (destination == std::string("own"))
            CHECK(message.routing_key == "seller." + header(message, "seller"));
    }
    for (const auto& got : hook.received("/api")) {
        CHECK(got.signature_fits);
        REQUIRE(arrived.emplace(got.id, std::pair(got.body, "api")).second);
    }
    CHECK(arrived.size() == wanted.size());
    std::map<std::string, int> by_destination;
    for (const auto& [id, message] : arrived) {
        const auto& [body, destination] = message;
        const auto seller = id.substr(0, id.find('/'));
        const auto stream = id.substr(id.find('/') + 1, id.rfind('/') - id.find('/') - 1);
        const auto at = body.find("\"order_id\":\"") + 12;
        const auto order = body.substr(at, body.find('"', at) - at);
        const auto& want = wanted.at(order + " " + seller);
        CHECK_MESSAGE(stream == want.stream, id, " ", body);
        CHECK_MESSAGE(destination == want.destination, id, " ", body);
        ++by_destination[destination];
    }
    for (const auto* destination : {"shared", "own", "api"}) CHECK(by_destination[destination] > 100);
}
