// The one place that describes exchanges, queues, bindings, limits and dead-lettering. `cartwright topology
// apply` makes it so, `check` compares every setting, and workers look for the version's marker at start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cartwright::amqp {

struct TopologySettings {
    std::size_t sellers_queues = 8;
    std::vector<std::chrono::milliseconds> rungs{std::chrono::seconds{1}, std::chrono::seconds{5},
                                                 std::chrono::seconds{30}, std::chrono::minutes{2},
                                                 std::chrono::minutes{10}};
    std::size_t input_messages_max = 2'000'000;
    std::size_t input_bytes_max = 4'294'967'296;
    /// Little, so that what the fleet can't keep up with waits where it came in, not between its workers.
    std::size_t hop_bytes_max = 33'554'432;
    std::size_t rung_messages_max = 20'000;
    std::size_t parking_bytes_max = 1'073'741'824;
    std::size_t delivery_limit = 100;
};

struct Exchange {
    std::string name;
    std::string type;                ///< topic, direct, fanout
    std::string alternate_exchange;  ///< where unroutable messages go; empty: nowhere
};

struct Queue {
    std::string name;
};

struct Binding {
    std::string exchange;
    std::string queue;
    std::string routing_key;
};

using Setting = std::variant<std::int64_t, std::string>;

/// Limits of one queue: a policy of the queue's own, so that they can change without deleting it.
struct Policy {
    std::string queue;
    std::map<std::string, Setting> definition;
};

/// What one program of the fleet may do on the broker: regular expressions over names
/// (https://www.rabbitmq.com/docs/access-control), each matching whole names.
struct User {
    std::string program;    ///< reserver, splitter …, and operator for the operator's command
    std::string configure;  ///< what it may declare
    std::string write;      ///< exchanges it may publish to; "amq.default" is the one without a name
    std::string read;       ///< queues it may consume
};

/// All exchanges and queues are durable, all queues are quorum queues.
struct Topology {
    std::vector<Exchange> exchanges;
    std::vector<Queue> queues;
    std::vector<Binding> bindings;
    std::vector<Policy> policies;
    std::vector<User> users;
    std::string version;  ///< changes with any setting
};

Topology describe_topology(const TopologySettings& settings);

/// Workers that have a ladder.
const std::vector<std::string>& workers_with_ladder();
/// "reserver.retry".
std::string retry_queue(std::string_view worker);
/// "reserver.retry.1s", one a rung.
std::vector<std::string> rung_names(std::string_view worker,
                                    const std::vector<std::chrono::milliseconds>& rungs);
/// "sellers.07".
std::string seller_queue(std::size_t index);
/// "seller.acme": a queue of one seller's own, declared and bound to `sellers` by whoever delivers to it
/// first.
std::string own_seller_queue(std::string_view seller);
/// A seller's queue must never drop or overtake: its delivery limit is out of reach.
inline constexpr std::int64_t seller_delivery_limit = 1'000'000'000;
/// The exchange whose existence says that this version was applied.
std::string marker_exchange(std::string_view version);
inline constexpr std::string_view marker_prefix = "topology.";

/// True for names of the fleet's own queues: an answer may not be addressed to one.
bool belongs_to_fleet(std::string_view queue);

}  // namespace cartwright::amqp
