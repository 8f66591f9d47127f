#include "tests/integration/router/stage.hpp"

#include <algorithm>
#include <numeric>

#include "workers/splitter/splitter.hpp"

namespace cartwright::tests {
namespace {

std::string text_header(const amqp::Outgoing& message, const std::string& name) {
    for (const auto& [key, value] : message.headers) {
        if (key == name) return std::get<std::string>(value);
    }
    return "";
}

std::int64_t number_of(const amqp::Outgoing& message) {
    for (const auto& [key, value] : message.headers) {
        if (key == "number") return std::get<std::int64_t>(value);
    }
    return 0;
}

constexpr std::size_t sellers_queues = 8;

}  // namespace

std::vector<amqp::Confirm> Sellers::publish(std::span<const amqp::Outgoing> messages) {
    const std::lock_guard lock(mutex_);
    auto left = dies_after ? dies_after(messages.size()) : messages.size() + 1;
    std::vector<amqp::Confirm> confirms;
    for (const auto& message : messages) {
        if (left-- == 0) throw Death{};
        confirms.push_back(answer ? answer(message) : amqp::Confirm::accepted);
        if (confirms.back() == amqp::Confirm::accepted) arrived_.push_back(message);
    }
    if (left == 0) throw Death{};
    return confirms;
}

std::vector<std::int64_t> Sellers::arrivals(const std::string& seller) {
    const std::lock_guard lock(mutex_);
    std::vector<std::int64_t> numbers;
    for (const auto& message : arrived_) {
        if (text_header(message, "seller") == seller) numbers.push_back(number_of(message));
    }
    return numbers;
}

void Sellers::declare(const std::string& queue) {
    const std::lock_guard lock(mutex_);
    declared_.push_back(queue);
}

std::vector<std::string> Sellers::declared() {
    const std::lock_guard lock(mutex_);
    return declared_;
}

std::vector<amqp::Outgoing> Sellers::all() {
    const std::lock_guard lock(mutex_);
    return arrived_;
}

bool Sellers::in_sequence() {
    std::map<std::string, std::int64_t> highest;
    for (const auto& message : all()) {
        auto& before = highest[text_header(message, "seller")];
        if (number_of(message) > before + 1) return false;
        before = std::max(before, number_of(message));
    }
    return true;
}

router::Config quick() {
    router::Config config;
    config.retry_delay_min = std::chrono::milliseconds(20);
    config.retry_delay_max = std::chrono::milliseconds(200);
    config.sweep_time_max = std::chrono::minutes(1);
    return config;
}

Stage::Stage(const router::Config& wanted) : config(wanted) {
    empty_tables();
    router = another_router();
}

std::unique_ptr<router::Handler> Stage::another_router() {
    return std::make_unique<router::Handler>(
        worker_session("router", false), worker_session("router", false), std::make_unique<StandIn>(sellers),
        [this] { return rules_now(); }, sellers_queues, config);
}

std::unique_ptr<router::Handler> Stage::router_with(routing::RuleSet rules) {
    return std::make_unique<router::Handler>(
        worker_session("router", false), worker_session("router", false), std::make_unique<StandIn>(sellers),
        routing::fixed_rules(routing::Rules(std::move(rules))), sellers_queues, config);
}

std::shared_ptr<const routing::Rules> Stage::rules_now() const {
    const std::lock_guard lock(mutex_);
    return rules_;
}

void Stage::change_rules(routing::RuleSet rules) {
    auto changed = std::make_shared<const routing::Rules>(std::move(rules));
    const std::lock_guard lock(mutex_);
    rules_ = std::move(changed);
}

routing::RuleSet Stage::rules_of(const std::string& version,
                                 const std::map<std::string, std::string>& destination_by_seller) {
    routing::RuleSet rules = routing::Rules().set();
    rules.version = version;
    for (const auto& [seller, destination] : destination_by_seller) {
        routing::DeliveryRule rule;
        rule.name = seller;
        rule.match.seller = {{seller, false}};
        rule.destination = destination;
        rules.deliveries.push_back(std::move(rule));
    }
    return rules;
}

void Stage::number(const std::vector<std::string>& told, int orders) {
    splitter::Handler splitter(worker_session("splitter", false), routing::fixed_rules(), splitter::Config{});
    std::vector<worker::Member> batch;
    for (int i = 0; i < orders; ++i) batch.push_back(ready("o" + std::to_string(orders_++), told));
    const auto known = mail_.members().size();
    mail_.add(splitter.handle(batch).outgoing);
    for (auto i = known; i < mail_.members().size(); ++i) {
        const auto& place = std::get<message::SellerMessage>(mail_.members()[i].event.payload);
        index_.emplace(std::pair(place.seller_id.str(), place.number), i);
    }
}

worker::Member Stage::message(const std::string& seller, std::int64_t number) {
    return mail_.members().at(index_.at({seller, number}));
}

std::vector<worker::Member> Stage::messages(const std::string& seller,
                                            const std::vector<std::int64_t>& numbers) {
    std::vector<worker::Member> members;
    for (const auto number : numbers) members.push_back(message(seller, number));
    return members;
}

worker::Result Stage::ring(const std::string& seller, const std::vector<std::int64_t>& numbers) {
    return router->handle(messages(seller, numbers));
}

std::string Stage::row(const std::string& seller, const std::string& column) {
    const auto rows = sql("select coalesce(" + column +
                          "::text, '-') from seller_delivery where seller_id = '" + seller + "'");
    return rows.empty() ? "no row" : rows.front();
}

std::int64_t Stage::delivered(const std::string& seller) {
    return std::stoll(row(seller, "last_delivered"));
}

void Stage::let_go(const std::string& seller) {
    sql("update seller_delivery set next_attempt_at = now() - interval '1 second' where next_attempt_at is "
        "not null "
        "and seller_id = '" +
        seller + "'");
}

std::vector<std::int64_t> from_to(std::int64_t first, std::int64_t last) {
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(last - first + 1));
    std::iota(numbers.begin(), numbers.end(), first);
    return numbers;
}

std::vector<worker::Member> from_ladder(std::vector<worker::Member> members) {
    for (auto& member : members) ++member.attempts;
    return members;
}

}  // namespace cartwright::tests
