// JSON of RabbitMQ's management API (https://www.rabbitmq.com/docs/management), as far as the topology needs
// it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace cartwright::codec {

using ManagedValue = std::variant<std::int64_t, std::string>;
using ManagedValues = std::map<std::string, ManagedValue>;

struct ManagedExchange {
    std::string name, type;
    bool durable = false;
    ManagedValues arguments;
};

struct ManagedQueue {
    std::string name, type;
    bool durable = false;
    ManagedValues arguments;
    std::int64_t messages = 0;
    std::string policy;  ///< name of the policy in force; empty when none is
};

struct ManagedBinding {
    std::string exchange, queue, routing_key;
    std::string properties_key;  ///< names it in the API's addresses
};

struct ManagedPolicy {
    std::string name, pattern, apply_to;
    std::int64_t priority = 0;
    ManagedValues definition;
    bool operator==(const ManagedPolicy&) const = default;
};

struct ManagedPermission {
    std::string user, configure, write, read;
    bool operator==(const ManagedPermission&) const = default;
};

/// Each throws outcome::Refused when the text is not what the API documents.
std::vector<ManagedExchange> read_exchanges(const std::string& json);
std::vector<ManagedQueue> read_queues(const std::string& json);
std::vector<ManagedBinding> read_bindings(const std::string& json);
std::vector<ManagedPolicy> read_policies(const std::string& json);
/// Of one virtual host.
std::vector<ManagedPermission> read_permissions(const std::string& json);

std::string exchange_body(const std::string& type, const std::string& alternate_exchange);
std::string queue_body();
std::string binding_body(const std::string& routing_key);
/// Without any tag: no right to the management API.
std::string user_body(const std::string& password);
std::string permission_body(const ManagedPermission& permission);
/// The policy of one queue and no other.
ManagedPolicy policy_of(const std::string& queue, const ManagedValues& definition);
std::string policy_body(const ManagedPolicy& policy);

/// A list of flat objects, for output that programs read.
std::string list_of(const std::vector<std::vector<std::pair<std::string, ManagedValue>>>& rows);

}  // namespace cartwright::codec
