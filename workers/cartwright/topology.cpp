#include "workers/cartwright/topology.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <thread>

#include "common/amqp/topology.hpp"
#include "common/codec/management.hpp"
#include "common/http/client.hpp"
#include "workers/cartwright/settings.hpp"

namespace cartwright::operating {
namespace {

using amqp::Topology;

constexpr std::string_view under_other_policy = "is under policy";

/// The management API of one virtual host.
class Broker {
  public:
    explicit Broker(std::string url) : url_(std::move(url)) {
        while (url_.ends_with('/')) url_.pop_back();
    }

    std::string get(const std::string& path) { return call("GET", path, {}, {200}).body; }
    void put(const std::string& path, const std::string& body) { call("PUT", path, body, {200, 201, 204}); }
    void post(const std::string& path, const std::string& body) { call("POST", path, body, {200, 201, 204}); }
    void remove(const std::string& path) { call("DELETE", path, {}, {200, 204, 404}); }

    std::vector<codec::ManagedExchange> exchanges() { return codec::read_exchanges(get("/exchanges/%2F")); }
    std::vector<codec::ManagedQueue> queues() { return codec::read_queues(get("/queues/%2F")); }
    std::vector<codec::ManagedBinding> bindings() { return codec::read_bindings(get("/bindings/%2F")); }
    std::vector<codec::ManagedPolicy> policies() { return codec::read_policies(get("/policies/%2F")); }

  private:
    http::Response call(const std::string& method, const std::string& path, const std::string& body,
                        const std::set<int>& good) {
        auto response = client_.request(method, url_ + "/api" + path, body,
                                        {{"content-type", "application/json"}}, std::chrono::seconds(30));
        if (good.contains(response.status)) return response;
        throw outcome::Refused(fmt::format("the management API answered {} to {} {}: {}", response.status,
                                           method, path, response.body.substr(0, 500)));
    }

    std::string url_;
    http::Client client_;
};

std::string segment(const std::string& name) {
    return http::percent_encode(name);
}

std::map<std::string, const amqp::Policy*> by_queue(const Topology& topology) {
    std::map<std::string, const amqp::Policy*> policies;
    for (const auto& policy : topology.policies) policies.emplace(policy.queue, &policy);
    return policies;
}

/// What differs between the wanted topology and the broker's, one sentence each.
std::vector<std::string> differences(Broker& broker, const Topology& wanted) {
    std::vector<std::string> found;
    std::map<std::string, codec::ManagedExchange> exchanges;
    for (auto& exchange : broker.exchanges()) exchanges.emplace(exchange.name, exchange);
    for (const auto& exchange : wanted.exchanges) {
        const auto there = exchanges.find(exchange.name);
        if (there == exchanges.end()) {
            found.push_back(fmt::format("exchange {} is missing", exchange.name));
            continue;
        }
        codec::ManagedValues arguments;
        if (!exchange.alternate_exchange.empty())
            arguments.emplace("alternate-exchange", exchange.alternate_exchange);
        if (there->second.type != exchange.type || !there->second.durable ||
            there->second.arguments != arguments) {
            found.push_back(fmt::format(
                "exchange {} has another type or other arguments; delete it and apply again", exchange.name));
        }
    }
    for (const auto& [name, exchange] : exchanges) {
        if (name.starts_with(amqp::marker_prefix) && name != amqp::marker_exchange(wanted.version)) {
            found.push_back(fmt::format("the marker {} of another version is there", name));
        }
    }
    if (!exchanges.contains(amqp::marker_exchange(wanted.version))) {
        found.push_back(fmt::format("the marker {} is missing", amqp::marker_exchange(wanted.version)));
    }
    std::map<std::string, codec::ManagedQueue> queues;
    for (auto& queue : broker.queues()) queues.emplace(queue.name, queue);
    for (const auto& queue : wanted.queues) {
        const auto there = queues.find(queue.name);
        if (there == queues.end()) {
            found.push_back(fmt::format("queue {} is missing", queue.name));
        } else if (there->second.arguments != codec::ManagedValues{{"x-queue-type", "quorum"}} ||
                   !there->second.durable) {
            found.push_back(fmt::format(
                "queue {} has another type or other arguments; empty it, delete it and apply again",
                queue.name));
        } else if (by_queue(wanted).contains(queue.name) && there->second.policy != queue.name) {
            found.push_back(fmt::format("queue {} {} \"{}\" instead of its own", queue.name,
                                        under_other_policy, there->second.policy));
        }
    }
    std::set<std::string> bindings;
    for (const auto& binding : broker.bindings())
        bindings.insert(binding.exchange + "\n" + binding.queue + "\n" + binding.routing_key);
    for (const auto& binding : wanted.bindings) {
        if (!bindings.erase(binding.exchange + "\n" + binding.queue + "\n" + binding.routing_key)) {
            found.push_back(fmt::format("queue {} is not bound to {} with key \"{}\"", binding.queue,
                                        binding.exchange, binding.routing_key));
        }
    }
    std::map<std::string, codec::ManagedPolicy> policies;
    for (auto& policy : broker.policies()) policies.emplace(policy.name, policy);
    for (const auto& policy : wanted.policies) {
        const auto there = policies.find(policy.queue);
        if (there == policies.end()) {
            found.push_back(fmt::format("the policy of queue {} is missing", policy.queue));
        } else if (there->second.definition != policy.definition) {
            found.push_back(fmt::format("the policy of queue {} has other limits", policy.queue));
        }
    }
    return found;
}

/// The management API learns of a policy's effect with a queue's next statistics, some seconds late: what
/// says so is asked again for a while.
std::vector<std::string> settled_differences(Broker& broker, const Topology& wanted) {
    const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    for (;;) {
        auto found = differences(broker, wanted);
        const bool may_settle = std::all_of(found.begin(), found.end(), [](const std::string& difference) {
            return difference.find(under_other_policy) != std::string::npos;
        });
        if (found.empty() || !may_settle || std::chrono::steady_clock::now() > give_up_at) return found;
        std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
}

void delete_markers(Broker& broker) {
    for (const auto& exchange : broker.exchanges()) {
        if (!exchange.name.starts_with(amqp::marker_prefix)) continue;
        broker.remove("/exchanges/%2F/" + segment(exchange.name));
        fmt::print("deleted  {}\n", exchange.name);
    }
}

/// Other versions' markers go first, this version's comes last: no worker starts on a topology that is half
/// made.
void apply(Broker& broker, const Topology& wanted) {
    const auto marker = amqp::marker_exchange(wanted.version);
    if (settled_differences(broker, wanted).empty()) {
        fmt::print("topology {} is in place already\n", wanted.version);
        return;
    }
    delete_markers(broker);
    for (const auto& exchange : wanted.exchanges) {
        broker.put("/exchanges/%2F/" + segment(exchange.name),
                   codec::exchange_body(exchange.type, exchange.alternate_exchange));
    }
    // Policies before queues, so that no queue is ever without its limits.
    for (const auto& policy : wanted.policies) {
        broker.put("/policies/%2F/" + segment(policy.queue),
                   codec::policy_body(policy.queue, policy.definition));
    }
    for (const auto& queue : wanted.queues)
        broker.put("/queues/%2F/" + segment(queue.name), codec::queue_body());
    for (const auto& binding : wanted.bindings) {
        broker.post(fmt::format("/bindings/%2F/e/{}/q/{}", segment(binding.exchange), segment(binding.queue)),
                    codec::binding_body(binding.routing_key));
    }
    broker.put("/exchanges/%2F/" + segment(marker), codec::exchange_body("fanout", ""));
    fmt::print("applied topology {}: {} exchanges, {} queues, {} bindings, {} policies\n", wanted.version,
               wanted.exchanges.size(), wanted.queues.size(), wanted.bindings.size(), wanted.policies.size());
}

/// Policies and queues under the fleet's names that this version does not have.
void report_strays(Broker& broker, const Topology& wanted, bool prune) {
    std::set<std::string> known;
    for (const auto& queue : wanted.queues) known.insert(queue.name);
    for (const auto& policy : broker.policies()) {
        if (!amqp::belongs_to_fleet(policy.name) || known.contains(policy.name)) continue;
        broker.remove("/policies/%2F/" + segment(policy.name));
        fmt::print("deleted  policy {} of an older version\n", policy.name);
    }
    for (const auto& queue : broker.queues()) {
        if (!amqp::belongs_to_fleet(queue.name) || known.contains(queue.name)) continue;
        if (prune && queue.messages == 0) {
            broker.remove("/queues/%2F/" + segment(queue.name));
            fmt::print("deleted  queue {} of an older version\n", queue.name);
        } else {
            fmt::print(
                "left     queue {} of an older version, {} messages; --prune deletes it once it is empty\n",
                queue.name, queue.messages);
        }
    }
}

int check(Broker& broker, const Topology& wanted) {
    const auto found = settled_differences(broker, wanted);
    for (const auto& difference : found) fmt::print("{}\n", difference);
    if (found.empty()) fmt::print("topology {} is as it should be\n", wanted.version);
    if (!found.empty())
        fmt::print("{} differences; `cartwright topology apply` mends what can be changed\n", found.size());
    return found.empty() ? 0 : 1;
}

void show(const Topology& wanted) {
    fmt::print("version {}\n", wanted.version);
    for (const auto& exchange : wanted.exchanges)
        fmt::print("exchange  {:<16} {}\n", exchange.name, exchange.type);
    const auto policies = by_queue(wanted);
    for (const auto& queue : wanted.queues) {
        fmt::print("queue     {}\n", queue.name);
        for (const auto& binding : wanted.bindings) {
            if (binding.queue == queue.name)
                fmt::print("            from {} key \"{}\"\n", binding.exchange, binding.routing_key);
        }
        const auto policy = policies.find(queue.name);
        if (policy == policies.end()) continue;
        for (const auto& [key, value] : policy->second->definition) {
            fmt::print("            {} {}\n", key,
                       std::visit([](const auto& held) { return fmt::format("{}", held); }, value));
        }
    }
}

}  // namespace

void add_topology(CLI::App& app, int& exit_code) {
    auto* topology = app.add_subcommand("topology", "Exchanges, queues and limits on the broker");
    topology->require_subcommand(1);
    auto file = std::make_shared<std::string>();
    auto prune = std::make_shared<bool>(false);
    topology->add_option("--config", *file, "The fleet's configuration file; its section `topology` counts");
    const auto wanted = [file] { return amqp::describe_topology(load_fleet(*file).topology.settings); };
    auto* applying =
        topology->add_subcommand("apply", "Make the broker so; safe to repeat. Needs MANAGEMENT_URL");
    applying->add_flag("--prune", *prune, "Delete empty queues of older versions");
    applying->callback([wanted, prune] {
        Broker broker(from_environment("MANAGEMENT_URL"));
        apply(broker, wanted());
        report_strays(broker, wanted(), *prune);
    });
    topology->add_subcommand("check", "Compare every setting; exit 1 when one differs. Needs MANAGEMENT_URL")
        ->callback([wanted, &exit_code] {
            Broker broker(from_environment("MANAGEMENT_URL"));
            exit_code = check(broker, wanted());
        });
    topology->add_subcommand("show", "Print what `apply` would make")->callback([wanted] { show(wanted()); });
}

}  // namespace cartwright::operating
