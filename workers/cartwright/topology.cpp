#include "workers/cartwright/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "common/amqp/topology.hpp"
#include "common/command_line/command_line.hpp"
#include "workers/cartwright/accounts.hpp"
#include "workers/cartwright/broker.hpp"
#include "workers/cartwright/differences.hpp"
#include "workers/cartwright/settings.hpp"

namespace cartwright::operating {
namespace {

using amqp::Topology;

void delete_markers(Broker& broker) {
    for (const auto& exchange : broker.exchanges()) {
        if (!exchange.name.starts_with(amqp::marker_prefix)) continue;
        broker.delete_exchange(exchange.name);
        fmt::print("deleted  {}\n", exchange.name);
    }
}

/// Users with a password to give them; of the others, those that are there.
void apply_users(Broker& broker, const Topology& wanted) {
    const auto there = broker.permissions();
    for (const auto& user : wanted.users) {
        const auto rights = permission_of(user);
        const auto known =
            std::any_of(there.begin(), there.end(), [&](const auto& one) { return one.user == rights.user; });
        const auto password = password_of(user.program);
        if (password) broker.put_user(rights.user, *password);
        if (password || known) broker.put_permission(rights);
        if (!password && !known) {
            fmt::print("no user {}: set {} and apply again\n", rights.user, password_variable(user.program));
        }
    }
}

/// Other versions' markers go first, this version's comes last: no worker starts on a topology that is half
/// made.
void apply(Broker& broker, const Topology& wanted) {
    const auto marker = amqp::marker_exchange(wanted.version);
    apply_users(broker, wanted);
    if (differences(broker, wanted).empty()) {
        fmt::print("topology {} is in place already\n", wanted.version);
        return;
    }
    delete_markers(broker);
    for (const auto& exchange : wanted.exchanges) {
        broker.put_exchange(exchange.name, exchange.type, exchange.alternate_exchange);
    }
    // Policies before queues, so that no queue is ever without its limits.
    for (const auto& policy : wanted.policies) broker.put_policy(policy);
    for (const auto& queue : wanted.queues) broker.put_queue(queue.name);
    for (const auto& binding : wanted.bindings) broker.bind(binding);
    for (const auto& binding : stray_bindings(broker, wanted)) broker.unbind(binding);
    broker.put_exchange(marker, "fanout", "");
    fmt::print("applied topology {}: {} exchanges, {} queues, {} bindings, {} policies\n", wanted.version,
               wanted.exchanges.size(), wanted.queues.size(), wanted.bindings.size(), wanted.policies.size());
}

/// Policies and queues under the fleet's names that this version does not have.
void report_strays(Broker& broker, const Topology& wanted, bool prune) {
    std::set<std::string> known;
    for (const auto& queue : wanted.queues) known.insert(queue.name);
    for (const auto& policy : broker.policies()) {
        if (!amqp::belongs_to_fleet(policy.name) || known.contains(policy.name)) continue;
        broker.delete_policy(policy.name);
        fmt::print("deleted  policy {} of an older version\n", policy.name);
    }
    for (const auto& queue : broker.queues()) {
        if (!amqp::belongs_to_fleet(queue.name) || known.contains(queue.name)) continue;
        if (prune && queue.messages == 0) {
            broker.delete_queue(queue.name);
            fmt::print("deleted  queue {} of an older version\n", queue.name);
        } else {
            fmt::print(
                "left     queue {} of an older version, {} messages; --prune deletes it once it is empty\n",
                queue.name, queue.messages);
        }
    }
}

int check(Broker& broker, const Topology& wanted) {
    const auto found = differences(broker, wanted);
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
    for (const auto& user : wanted.users) {
        fmt::print(
            "user      {}\n            configure {}\n            write     {}\n            read      {}\n",
            account_of(user.program), user.configure, user.write, user.read);
    }
    std::map<std::string, const amqp::Policy*> policies;
    for (const auto& policy : wanted.policies) policies.emplace(policy.queue, &policy);
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

void add_topology(command_line::Command& program, int& exit_code) {
    auto topology = program.command("topology", "Exchanges, queues and limits on the broker");
    topology.needs_command();
    topology.footer(
        "A program's user, like cartwright_reserver, is made where CARTWRIGHT_RESERVER_PASSWORD (or …_FILE) "
        "is "
        "set;\nlikewise for SPLITTER, ROUTER and OPERATOR.");
    auto file = std::make_shared<std::string>();
    auto prune = std::make_shared<bool>(false);
    topology.option("--config", file.get(), "The fleet's configuration file; its section `topology` counts");
    const auto wanted = [file] { return amqp::describe_topology(load_fleet(*file).topology.settings); };
    auto applying = topology.command("apply", "Make the broker so; safe to repeat. Needs MANAGEMENT_URL");
    applying.flag("--prune", prune.get(), "Delete empty queues of older versions");
    applying.runs([wanted, prune] {
        Broker broker(from_environment("MANAGEMENT_URL"));
        apply(broker, wanted());
        report_strays(broker, wanted(), *prune);
    });
    topology.command("check", "Compare every setting; exit 1 when one differs. Needs MANAGEMENT_URL")
        .runs([wanted, &exit_code] {
            Broker broker(from_environment("MANAGEMENT_URL"));
            exit_code = check(broker, wanted());
        });
    topology.command("show", "Print what `apply` would make").runs([wanted] { show(wanted()); });
}

}  // namespace cartwright::operating
