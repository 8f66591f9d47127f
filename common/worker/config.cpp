#include "common/worker/config.hpp"

namespace cartwright::worker {

void BrokerConfig::describe(config::Binder& binder) {
    binder.secret("url", connection.url, "AMQP_URL",
                  "Where RabbitMQ is: amqp://user:password@host:port/vhost.");
    binder.field("tls_ca_file", connection.tls_ca_file, "Certificates that amqps:// is checked against.");
    binder.field("tls_certificate_file", connection.tls_certificate_file,
                 "This client's certificate, if any.");
    binder.field("tls_key_file", connection.tls_key_file, "Its private key.");
    binder.field("connect_timeout_ms", connection.connect_timeout, {100, 60'000},
                 "Limit of a connection attempt.");
    auto heartbeat_s = static_cast<std::int64_t>(connection.heartbeat.count());
    binder.field("heartbeat_s", heartbeat_s, {1, 60},
                 "Who says nothing for two to three of these is given up by the other side.");
    connection.heartbeat = std::chrono::seconds(heartbeat_s);
    binder.field("intake_bytes_max", connection.intake_bytes_max, {1'048'576, 1'073'741'824},
                 "Bytes of unacknowledged messages with which a worker reads no more.");
    binder.field("stall_timeout_ms", connection.stall_timeout, {1'000, 300'000},
                 "A broker that takes no bytes for this long is given up and connected anew.");
    binder.field("reconnect_delay_max_ms", connection.reconnect_delay_max, {100, 60'000},
                 "Longest pause between attempts to connect.");
    binder.field("window_messages_max", publisher.window_messages_max, {1, 100'000},
                 "Unconfirmed messages at once.");
    binder.field("window_bytes_max", publisher.window_bytes_max, {65'536, 1'073'741'824},
                 "Unconfirmed bytes at once.");
    binder.field("publish_retry_delay_max_ms", publisher.retry_delay_max, {50, 60'000},
                 "Longest pause before a refused or unroutable message is published again.");
    binder.field("answer_timeout_ms", publisher.best_effort_timeout, {100, 60'000},
                 "An answer to reply_to that is not confirmed by then is counted as lost.");
}

void PostgresConfig::describe(config::Binder& binder) {
    binder.secret("url", url, "POSTGRES_URL",
                  "Where PostgreSQL is, as this program's role: postgresql://user@host/database.");
    binder.field("deadlock_retries_max", deadlock_retries_max, {0, 100},
                 "How often a transaction is run again at once after a deadlock.");
    binder.field("stall_timeout_ms", stall_timeout, {1'000, 600'000},
                 "A server that says nothing for this long in a transaction is given up and connected anew; "
                 "longer than the role's statement_timeout.");
}

void CatalogueConfig::describe(config::Binder& binder) {
    binder.secret("url", settings.url, "MARIADB_URL",
                  "Where the vendor catalogue is: mysql://user:password@host/database.");
    binder.field("entries_max", settings.entries_max, {1'000, 10'000'000}, "Offers that are kept in memory.");
    binder.field("age_max_ms", settings.age_max, {0, 3'600'000}, "An older entry is read again.");
}

void TopologyConfig::describe(config::Binder& binder) {
    binder.field("sellers_queues", settings.sellers_queues, {1, 100},
                 "Shared queues that sellers' messages are spread over.");
    binder.field("ladder_ms", settings.rungs, {1, 1'500'000}, "Delays of the retry ladder, shortest first.");
    binder.field("input_messages_max", settings.input_messages_max, {1, 100'000'000},
                 "Messages that an input queue holds; more are refused to their publisher.");
    binder.field("input_bytes_max", settings.input_bytes_max, {1'048'576, 1'099'511'627'776},
                 "Likewise in bytes.");
    binder.field("hop_bytes_max", settings.hop_bytes_max, {65'536, 1'099'511'627'776},
                 "Likewise from one worker to the next; where it is full, carts wait where they came in.");
    binder.field("rung_messages_max", settings.rung_messages_max, {1, 10'000'000},
                 "Messages that one rung of a ladder holds.");
    binder.field("parking_bytes_max", settings.parking_bytes_max, {1'048'576, 1'099'511'627'776},
                 "Bytes that parking holds; when it is full, lanes pause.");
    binder.field("delivery_limit", settings.delivery_limit, {100, 1'000'000},
                 "Redeliveries after which the broker itself parks a message: a last resort.");
}

void LimitsConfig::describe(config::Binder& binder) {
    binder.field("body_bytes_max", messages.body_bytes_max, {1'024, 134'217'728},
                 "A longer message is parked.");
    binder.field("nesting_max", messages.nesting_max, {8, 1'024}, "Depth of JSON.");
    binder.field("events_max", messages.members_max, {1, 100'000}, "Events in one batch message.");
    binder.field("movements_max", messages.movements_max, {1, 100'000}, "Movements in one message.");
    binder.field("ladder_attempts_max", attempts_max, {1, 1'000},
                 "Turns on the retry ladder before a message is parked.");
    binder.field("deaths_max", deaths_max, {1, 100},
                 "A message over which the process died so often is parked.");
    binder.field("drain_deadline_ms", drain_deadline, {1'000, 600'000}, "Time to finish work after SIGTERM.");
    binder.field("stuck_after_ms", stuck_after, {5'000, 1'200'000},
                 "A lane that is at one batch for longer makes /healthz/live fail.");
}

void RulesConfig::describe(config::Binder& binder) {
    binder.field(
        "directory", directory,
        "Folder of routing rules (*.yaml), watched for changes; empty: one stream a seller, shared queues.");
}

void HttpConfig::describe(config::Binder& binder) {
    binder.field("address", address, "Where /metrics and /healthz listen.");
    binder.field("port", port, {0, 65'535}, "Their port; 0 takes a free one and logs it.");
}

void FleetConfig::describe(config::Binder& binder) {
    binder.section("broker", broker, "RabbitMQ.");
    binder.section("postgres", postgres, "PostgreSQL.");
    binder.section("catalogue", catalogue, "MariaDB.");
    binder.section("topology", topology, "Exchanges and queues, as `cartwright topology apply` makes them.");
    binder.section("limits", limits, "Bounds that every worker keeps.");
    binder.section("rules", rules, "Routing rules, of splitter and router.");
    binder.section("http", http, "Metrics and health.");
}

void LaneConfig::describe(config::Binder& binder) {
    binder.field("prefetch", prefetch, {1, 10'000},
                 "Messages of each of its queues that a lane holds at once.");
    binder.field("events_max", members_max, {1, 10'000}, "Events that a lane handles in one transaction.");
}

const std::vector<std::string>& root_sections() {
    static const std::vector<std::string> sections{"broker", "postgres", "catalogue", "topology", "limits",
                                                   "rules",  "http",     "reserver",  "splitter", "router"};
    return sections;
}

std::vector<std::string> worker_sections() {
    return {root_sections().end() - 3, root_sections().end()};
}

}  // namespace cartwright::worker
