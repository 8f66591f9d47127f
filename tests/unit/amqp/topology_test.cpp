#include "common/amqp/topology.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <set>

using namespace cartwright::amqp;
using std::chrono::seconds;

namespace {

std::map<std::string, std::map<std::string, Setting>> limits_by_queue(const Topology& topology) {
    std::map<std::string, std::map<std::string, Setting>> limits;
    for (const auto& policy : topology.policies) limits[policy.queue] = policy.definition;
    return limits;
}

std::int64_t number(const std::map<std::string, Setting>& limits, const char* name) {
    const auto found = limits.find(name);
    return found == limits.end() ? 0 : std::get<std::int64_t>(found->second);
}

/// Where a message goes that the queue gives up: queue names.
std::set<std::string> after(const Topology& topology, const std::map<std::string, Setting>& limits) {
    std::set<std::string> next;
    const auto exchange = limits.find("dead-letter-exchange");
    if (exchange == limits.end()) return next;
    const auto key = limits.find("dead-letter-routing-key");
    for (const auto& binding : topology.bindings) {
        if (binding.exchange != std::get<std::string>(exchange->second)) continue;
        if (key == limits.end() || binding.routing_key == std::get<std::string>(key->second))
            next.insert(binding.queue);
    }
    return next;
}

}  // namespace

TEST_CASE("every queue is reachable from an exchange that exists, and has limits") {
    const auto topology = describe_topology({});
    std::set<std::string> exchanges, bound;
    for (const auto& exchange : topology.exchanges) CHECK(exchanges.insert(exchange.name).second);
    for (const auto& binding : topology.bindings) {
        CHECK_MESSAGE(exchanges.contains(binding.exchange), binding.exchange);
        bound.insert(binding.queue);
    }
    const auto limits = limits_by_queue(topology);
    CHECK(limits.size() == topology.policies.size());
    std::set<std::string> names;
    for (const auto& queue : topology.queues) {
        CHECK(names.insert(queue.name).second);
        CHECK_MESSAGE(bound.contains(queue.name), queue.name);
        CHECK_MESSAGE(limits.contains(queue.name), queue.name);
        CHECK_MESSAGE(belongs_to_fleet(queue.name), queue.name);
    }
    CHECK(bound == names);
}

TEST_CASE("dead letters reach an end, and none comes back to the queue it left") {
    const auto topology = describe_topology({});
    const auto limits = limits_by_queue(topology);
    for (const auto& queue : topology.queues) {
        std::set<std::string> seen{queue.name};
        std::vector<std::string> open{queue.name};
        while (!open.empty()) {
            const auto from = open.back();
            open.pop_back();
            for (const auto& next : after(topology, limits.at(from))) {
                CHECK_MESSAGE(seen.insert(next).second, from, " to ", next);
                open.push_back(next);
            }
        }
    }
}

TEST_CASE("a queue that gives messages up has somewhere for them; sellers' queues and parking give none up") {
    const auto topology = describe_topology({});
    for (const auto& [queue, limits] : limits_by_queue(topology)) {
        CAPTURE(queue);
        const bool seller = queue.starts_with("sellers.");
        const bool gives_up = number(limits, "delivery-limit") > 0 || number(limits, "message-ttl") > 0;
        if (queue == "parking") {
            CHECK_FALSE(gives_up);
        } else if (seller) {
            CHECK(number(limits, "delivery-limit") > 1'000'000);
            CHECK(limits.size() == 1);
        } else {
            CHECK(gives_up);
            CHECK_FALSE(after(topology, limits).empty());
            CHECK(limits.at("dead-letter-strategy") == Setting("at-least-once"));
        }
        if (!seller) CHECK(limits.at("overflow") == Setting("reject-publish"));
    }
}

TEST_CASE("a worker's rungs return to its own retry queue, which holds all that they hold") {
    TopologySettings settings;
    const auto topology = describe_topology(settings);
    const auto limits = limits_by_queue(topology);
    for (const auto& worker : workers_with_ladder()) {
        std::int64_t held = 0;
        for (const auto& rung : rung_names(worker, settings.rungs)) {
            CHECK(after(topology, limits.at(rung)) == std::set<std::string>{retry_queue(worker)});
            held += number(limits.at(rung), "max-length");
        }
        CHECK(number(limits.at(retry_queue(worker)), "max-length") >= held);
    }
}

TEST_CASE("what waits between two workers has a bound of its own") {
    TopologySettings settings;
    settings.input_bytes_max = 2'000'000;
    settings.hop_bytes_max = 1'000'000;
    for (const auto& [queue, limits] : limits_by_queue(describe_topology(settings))) {
        CAPTURE(queue);
        const bool hop = queue == "splitter.orders" || queue == "router.seller-messages";
        const bool input = queue.starts_with("reserver.") && !queue.starts_with("reserver.retry");
        if (hop) CHECK(number(limits, "max-length-bytes") == 1'000'000);
        if (input) CHECK(number(limits, "max-length-bytes") == 2'000'000);
    }
}

TEST_CASE("the version changes with every setting, and with nothing else") {
    const std::vector<std::function<void(TopologySettings&)>> changes{
        [](auto& settings) { settings.sellers_queues = 9; },
        [](auto& settings) { settings.rungs = {seconds(1)}; },
        [](auto& settings) { settings.rungs.back() += seconds(1); },
        [](auto& settings) { ++settings.input_messages_max; },
        [](auto& settings) { ++settings.input_bytes_max; },
        [](auto& settings) { ++settings.hop_bytes_max; },
        [](auto& settings) { ++settings.rung_messages_max; },
        [](auto& settings) { ++settings.parking_bytes_max; },
        [](auto& settings) { ++settings.delivery_limit; },
    };
    std::set<std::string> versions{describe_topology({}).version};
    for (const auto& change : changes) {
        TopologySettings settings;
        change(settings);
        CHECK(versions.insert(describe_topology(settings).version).second);
    }
    CHECK(versions.contains(describe_topology({}).version));
}

TEST_CASE("names that an answer may not be addressed to") {
    for (const auto* name :
         {"reserver.carts", "splitter.retry", "router.retry.1s", "sellers.00", "seller.s1", "parking"})
        CHECK(belongs_to_fleet(name));
    for (const auto* name : {"replies", "reserver", "my.sellers.00", "parking.lot", "amq.gen-x", ""})
        CHECK_FALSE(belongs_to_fleet(name));
}
