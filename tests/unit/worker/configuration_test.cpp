#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "common/outcome/trouble.hpp"
#include "common/worker/config.hpp"
#include "common/worker/versions.hpp"

using namespace cartwright;

namespace {

std::int64_t highest_migration(const char* server) {
    std::int64_t highest = 0;
    const auto folder = std::filesystem::path(CARTWRIGHT_SOURCE) / "deploy/migrations" / server;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        highest = std::max<std::int64_t>(highest, std::stoll(entry.path().filename().string()));
    }
    return highest;
}

}  // namespace

TEST_CASE("the shipped configuration is read, and says what the defaults say") {
    worker::FleetConfig shipped;
    config::load(shipped, std::string(CARTWRIGHT_SOURCE) + "/deploy/config/cartwright.yaml",
                 worker::worker_sections());
    const worker::FleetConfig defaults;
    CHECK(amqp::describe_topology(shipped.topology.settings).version ==
          amqp::describe_topology(defaults.topology.settings).version);
    CHECK(shipped.limits.attempts_max == defaults.limits.attempts_max);
}

TEST_CASE("an unknown key is refused") {
    worker::FleetConfig fleet;
    CHECK_THROWS_AS(config::load_text(fleet, "limits: {deaths: 3}"), outcome::StartupError);
}

TEST_CASE("the limits of silence are read in their units") {
    worker::FleetConfig fleet;
    config::load_text(fleet, "broker: {heartbeat_s: 3}\npostgres: {stall_timeout_ms: 4000}");
    CHECK(fleet.broker.connection.heartbeat == std::chrono::seconds(3));
    CHECK(fleet.postgres.stall_timeout == std::chrono::seconds(4));
    CHECK_THROWS_AS(config::load_text(fleet, "broker: {heartbeat_s: 0}"), outcome::StartupError);
}

TEST_CASE("programs want the schema versions that the migrations make") {
    CHECK(highest_migration("postgres") == worker::postgres_schema_version);
    CHECK(highest_migration("mariadb") == worker::catalogue_schema_version);
}
