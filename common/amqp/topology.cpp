#include "common/amqp/topology.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>

namespace cartwright::amqp {
namespace {

std::string duration_name(std::chrono::milliseconds time) {
    const auto count = time.count();
    if (count % 60'000 == 0) return fmt::format("{}m", count / 60'000);
    if (count % 1'000 == 0) return fmt::format("{}s", count / 1'000);
    return fmt::format("{}ms", count);
}

std::int64_t number(std::size_t value) {
    return static_cast<std::int64_t>(value);
}

/// A regular expression for these names and no other.
std::string only(const std::vector<std::string>& names) {
    std::string pattern;
    for (const auto& name : names) {
        pattern += pattern.empty() ? "^(" : "|";
        for (const char c : name) {
            if (c == '.') pattern += '\\';
            pattern += c;
        }
    }
    return pattern.empty() ? "^$" : pattern + ")$";
}

/// The same with names that a pattern describes.
std::string also(const std::string& names, const std::string& pattern) {
    return names.substr(0, names.size() - 2) + "|" + pattern + ")$";
}

const char* const own_queues = "seller\\..*";
const char* const unnamed_queues = "amq\\.gen.*";

struct Builder {
    const TopologySettings& settings;
    Topology topology;

    void input(const std::string& queue, const std::string& exchange,
               const std::vector<std::string>& routing_keys) {
        bound(queue, exchange, routing_keys, settings.input_bytes_max);
    }

    /// From one worker to the next.
    void hop(const std::string& queue, const std::string& exchange,
             const std::vector<std::string>& routing_keys) {
        bound(queue, exchange, routing_keys, settings.hop_bytes_max);
    }

    void bound(const std::string& queue, const std::string& exchange,
               const std::vector<std::string>& routing_keys, std::size_t bytes_max) {
        topology.queues.push_back({queue});
        for (const auto& key : routing_keys) topology.bindings.push_back({exchange, queue, key});
        topology.policies.push_back({queue, limits(settings.input_messages_max, bytes_max)});
    }

    /// Full means that the publisher is told. Whoever reaches the delivery limit goes to parking, which is
    /// the end.
    std::map<std::string, Setting> limits(std::size_t messages_max, std::size_t bytes_max) const {
        return {{"max-length", number(messages_max)}, {"max-length-bytes", number(bytes_max)},
                {"overflow", "reject-publish"},       {"delivery-limit", number(settings.delivery_limit)},
                {"dead-letter-exchange", "parking"},  {"dead-letter-strategy", "at-least-once"}};
    }

    void ladder(const std::string& worker) {
        const auto back = retry_queue(worker);
        const auto names = rung_names(worker, settings.rungs);
        for (std::size_t i = 0; i < names.size(); ++i) {
            topology.queues.push_back({names[i]});
            topology.bindings.push_back({"retry", names[i], names[i]});
            topology.policies.push_back(
                {names[i],
                 {{"message-ttl", static_cast<std::int64_t>(settings.rungs[i].count())},
                  {"max-length", number(settings.rung_messages_max)},
                  {"overflow", "reject-publish"},
                  {"dead-letter-exchange", "retry"},
                  {"dead-letter-routing-key", back},
                  {"dead-letter-strategy", "at-least-once"}}});
        }
        topology.queues.push_back({back});
        topology.bindings.push_back({"retry", back, back});
        // It holds what all its rungs hold, and as much again for replays from parking.
        const auto room = settings.rung_messages_max * std::max<std::size_t>(1, names.size()) * 2;
        topology.policies.push_back({back, limits(room, settings.input_bytes_max)});
    }

    void sellers() {
        for (std::size_t i = 0; i < settings.sellers_queues; ++i) {
            const auto queue = seller_queue(i);
            topology.queues.push_back({queue});
            topology.bindings.push_back({"sellers", queue, queue});
            topology.policies.push_back({queue, {{"delivery-limit", seller_delivery_limit}}});
        }
    }

    /// Answers go to queues whose names their senders choose: only who is asked from outside may do that.
    void users() {
        const auto catalogue_changes = fmt::format("^{}$", unnamed_queues);
        topology.users = {
            {"reserver", catalogue_changes,
             also(only({"orders", "stock", "events", "retry", "parking", "amq.default"}), unnamed_queues),
             also(only({"reserver.carts", "reserver.movements", "reserver.fill", retry_queue("reserver"),
                        "catalogue"}),
                  unnamed_queues)},
            {"splitter", "^$", only({"seller-messages", "retry", "parking"}),
             only({"splitter.orders", retry_queue("splitter")})},
            {"router", fmt::format("^{}$", own_queues),
             also(only({"sellers", "seller-messages", "retry", "parking"}), own_queues),
             only({"router.seller-messages", retry_queue("router"), "sellers"})},
            {"operator", "^$", only({"retry", "seller-messages"}), only({"parking"})}};
    }

    void parking() {
        topology.queues.push_back({"parking"});
        topology.bindings.push_back({"parking", "parking", ""});
        topology.policies.push_back(
            {"parking",
             {{"max-length-bytes", number(settings.parking_bytes_max)}, {"overflow", "reject-publish"}}});
    }
};

std::string rendered(const Topology& topology) {
    std::string text;
    for (const auto& exchange : topology.exchanges) {
        text += fmt::format("exchange {} {} {}\n", exchange.name, exchange.type, exchange.alternate_exchange);
    }
    for (const auto& queue : topology.queues) text += fmt::format("queue {}\n", queue.name);
    for (const auto& binding : topology.bindings) {
        text += fmt::format("binding {} {} {}\n", binding.exchange, binding.queue, binding.routing_key);
    }
    for (const auto& policy : topology.policies) {
        for (const auto& [key, value] : policy.definition) {
            const auto shown = std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
            text += fmt::format("policy {} {}={}\n", policy.queue, key, shown);
        }
    }
    for (const auto& user : topology.users) {
        text += fmt::format("user {} {} {} {}\n", user.program, user.configure, user.write, user.read);
    }
    return text;
}

/// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
std::uint64_t fingerprint(std::string_view text) {
    std::uint64_t hash = 14'695'981'039'346'656'037U;
    for (const unsigned char c : text) hash = (hash ^ c) * 1'099'511'628'211U;
    return hash;
}

}  // namespace

Topology describe_topology(const TopologySettings& settings) {
    Builder builder{settings, {}};
    builder.topology.exchanges = {{"carts", "topic", ""},           {"movements", "topic", ""},
                                  {"orders", "topic", ""},          {"stock", "topic", ""},
                                  {"seller-messages", "topic", ""}, {"sellers", "direct", ""},
                                  {"events", "topic", ""},          {"catalogue", "fanout", ""},
                                  {"parking", "fanout", ""},        {"retry", "direct", "parking"}};
    builder.input("reserver.carts", "carts", {"#"});
    builder.input("reserver.movements", "movements", {"#"});
    builder.input("reserver.fill", "stock", {"stock.fill"});
    builder.hop("splitter.orders", "orders", {"order.ready", "order.cancelled"});
    builder.hop("router.seller-messages", "seller-messages", {"#"});
    for (const auto& worker : workers_with_ladder()) builder.ladder(worker);
    builder.sellers();
    builder.parking();
    builder.users();
    builder.topology.version = fmt::format("1-{:016x}", fingerprint(rendered(builder.topology)));
    return builder.topology;
}

const std::vector<std::string>& workers_with_ladder() {
    static const std::vector<std::string> workers{"reserver", "splitter", "router"};
    return workers;
}

std::string retry_queue(std::string_view worker) {
    return fmt::format("{}.retry", worker);
}

std::vector<std::string> rung_names(std::string_view worker,
                                    const std::vector<std::chrono::milliseconds>& rungs) {
    std::vector<std::string> names;
    for (const auto rung : rungs) names.push_back(fmt::format("{}.retry.{}", worker, duration_name(rung)));
    return names;
}

std::string seller_queue(std::size_t index) {
    return fmt::format(FMT_COMPILE("sellers.{:02}"), index);
}

std::string own_seller_queue(std::string_view seller) {
    return fmt::format("seller.{}", seller);
}

std::string marker_exchange(std::string_view version) {
    return fmt::format("{}{}", marker_prefix, version);
}

bool belongs_to_fleet(std::string_view queue) {
    const auto& workers = workers_with_ladder();
    return queue == "parking" || queue.starts_with("sellers.") || queue.starts_with("seller.") ||
           std::any_of(workers.begin(), workers.end(), [&](const std::string& worker) {
               return queue.starts_with(worker) && queue.substr(worker.size()).starts_with('.');
           });
}

}  // namespace cartwright::amqp
