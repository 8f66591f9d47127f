#include "workers/cartwright/differences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "workers/cartwright/accounts.hpp"

namespace cartwright::operating {
namespace {

using amqp::Topology;
using Sentences = std::vector<std::string>;

constexpr std::string_view under_other_policy = "is under policy";

template <class Row>
std::map<std::string, Row> by_name(std::vector<Row> rows) {
    std::map<std::string, Row> named;
    for (auto& row : rows) named.emplace(row.name, std::move(row));
    return named;
}

using BindingKey = std::tuple<std::string, std::string, std::string>;

template <class Binding>
BindingKey key_of(const Binding& binding) {
    return {binding.exchange, binding.queue, binding.routing_key};
}

bool same(const codec::ManagedExchange& there, const amqp::Exchange& wanted) {
    codec::ManagedValues arguments;
    if (!wanted.alternate_exchange.empty())
        arguments.emplace("alternate-exchange", wanted.alternate_exchange);
    return there.type == wanted.type && there.durable && there.arguments == arguments;
}

void compare_exchanges(Broker& broker, const Topology& wanted, Sentences& found) {
    const auto exchanges = by_name(broker.exchanges());
    for (const auto& exchange : wanted.exchanges) {
        const auto there = exchanges.find(exchange.name);
        if (there == exchanges.end()) {
            found.push_back(fmt::format("exchange {} is missing", exchange.name));
        } else if (!same(there->second, exchange)) {
            found.push_back(fmt::format(
                "exchange {} has another type or other arguments; delete it and apply again", exchange.name));
        }
    }
    const auto marker = amqp::marker_exchange(wanted.version);
    for (const auto& [name, exchange] : exchanges) {
        if (name.starts_with(amqp::marker_prefix) && name != marker)
            found.push_back(fmt::format("the marker {} of another version is there", name));
    }
    if (!exchanges.contains(marker)) found.push_back(fmt::format("the marker {} is missing", marker));
}

void compare_queues(Broker& broker, const Topology& wanted, Sentences& found) {
    const auto queues = by_name(broker.queues());
    std::set<std::string> limited;
    for (const auto& policy : wanted.policies) limited.insert(policy.queue);
    for (const auto& [name] : wanted.queues) {
        const auto there = queues.find(name);
        if (there == queues.end()) {
            found.push_back(fmt::format("queue {} is missing", name));
        } else if (there->second.arguments != codec::ManagedValues{{"x-queue-type", "quorum"}} ||
                   !there->second.durable) {
            found.push_back(fmt::format(
                "queue {} has another type or other arguments; empty it, delete it and apply again", name));
        } else if (limited.contains(name) && there->second.policy != name) {
            found.push_back(fmt::format("queue {} {} \"{}\" instead of its own", name, under_other_policy,
                                        there->second.policy));
        }
    }
}

void compare_bindings(Broker& broker, const Topology& wanted, Sentences& found) {
    std::set<BindingKey> there;
    for (const auto& binding : broker.bindings()) there.insert(key_of(binding));
    for (const auto& binding : wanted.bindings) {
        if (!there.contains(key_of(binding)))
            found.push_back(fmt::format("queue {} is not bound to {} with key \"{}\"", binding.queue,
                                        binding.exchange, binding.routing_key));
    }
    for (const auto& binding : stray_bindings(broker, wanted)) {
        found.push_back(fmt::format("queue {} is bound to {} with key \"{}\", which is not of this version",
                                    binding.queue, binding.exchange, binding.routing_key));
    }
}

void compare_policies(Broker& broker, const Topology& wanted, Sentences& found) {
    const auto policies = by_name(broker.policies());
    for (const auto& policy : wanted.policies) {
        const auto there = policies.find(policy.queue);
        if (there == policies.end()) {
            found.push_back(fmt::format("the policy of queue {} is missing", policy.queue));
        } else if (there->second != codec::policy_of(policy.queue, policy.definition)) {
            found.push_back(fmt::format("the policy of queue {} has other limits", policy.queue));
        }
    }
}

void compare_users(Broker& broker, const Topology& wanted, Sentences& found) {
    const auto permissions = broker.permissions();
    for (const auto& user : wanted.users) {
        const auto rights = permission_of(user);
        const auto there =
            std::find_if(permissions.begin(), permissions.end(),
                         [&](const codec::ManagedPermission& one) { return one.user == rights.user; });
        if (there == permissions.end()) {
            found.push_back(fmt::format("user {} is missing; set {} and apply again", rights.user,
                                        password_variable(user.program)));
        } else if (*there != rights) {
            found.push_back(fmt::format("user {} may do something else than it should", rights.user));
        }
    }
}

Sentences look(Broker& broker, const Topology& wanted) {
    Sentences found;
    compare_exchanges(broker, wanted, found);
    compare_queues(broker, wanted, found);
    compare_bindings(broker, wanted, found);
    compare_policies(broker, wanted, found);
    compare_users(broker, wanted, found);
    return found;
}

}  // namespace

std::vector<std::string> differences(Broker& broker, const Topology& wanted) {
    const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    for (;;) {
        auto found = look(broker, wanted);
        const bool may_settle = std::all_of(found.begin(), found.end(), [](const std::string& difference) {
            return difference.find(under_other_policy) != std::string::npos;
        });
        if (found.empty() || !may_settle || std::chrono::steady_clock::now() > give_up_at) return found;
        std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
}

std::vector<codec::ManagedBinding> stray_bindings(Broker& broker, const Topology& wanted) {
    std::set<std::string> queues;
    for (const auto& queue : wanted.queues) queues.insert(queue.name);
    std::set<BindingKey> known;
    for (const auto& binding : wanted.bindings) known.insert(key_of(binding));
    auto bindings = broker.bindings();
    std::erase_if(bindings, [&](const codec::ManagedBinding& binding) {
        return binding.exchange.empty() || !queues.contains(binding.queue) || known.contains(key_of(binding));
    });
    return bindings;
}

}  // namespace cartwright::operating
