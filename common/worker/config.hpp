// The part of the configuration that all programs of the fleet share.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/amqp/connection_settings.hpp"
#include "common/amqp/publisher.hpp"
#include "common/amqp/topology.hpp"
#include "common/catalogue/settings.hpp"
#include "common/codec/decode.hpp"
#include "common/config/config.hpp"

namespace cartwright::worker {

struct BrokerConfig {
    amqp::ConnectionSettings connection;
    amqp::PublisherLimits publisher;
    void describe(config::Binder& binder);
};

struct PostgresConfig {
    std::string url;
    std::size_t deadlock_retries_max = 5;
    std::chrono::milliseconds stall_timeout{45'000};
    void describe(config::Binder& binder);
};

struct CatalogueConfig {
    catalogue::Settings settings;
    void describe(config::Binder& binder);
};

struct TopologyConfig {
    amqp::TopologySettings settings;
    void describe(config::Binder& binder);
};

struct LimitsConfig {
    codec::Limits messages;
    std::size_t attempts_max = 20;
    std::size_t deaths_max = 5;
    std::chrono::milliseconds drain_deadline{20'000};
    std::chrono::milliseconds stuck_after{120'000};
    void describe(config::Binder& binder);
};

struct RulesConfig {
    std::string directory;
    void describe(config::Binder& binder);
};

struct HttpConfig {
    std::string address = "127.0.0.1";
    int port = 0;
    void describe(config::Binder& binder);
};

struct FleetConfig {
    BrokerConfig broker;
    PostgresConfig postgres;
    CatalogueConfig catalogue;
    TopologyConfig topology;
    LimitsConfig limits;
    RulesConfig rules;
    HttpConfig http;
    void describe(config::Binder& binder);
};

/// How one lane batches; the part of a worker's section that every lane has.
struct LaneConfig {
    std::size_t prefetch = 32;
    std::size_t members_max = 200;
    void describe(config::Binder& binder);
};

/// Every key that may stand at the root of a configuration file: the sections above and one a worker.
const std::vector<std::string>& root_sections();
/// Those of them that belong to one worker each.
std::vector<std::string> worker_sections();

}  // namespace cartwright::worker
