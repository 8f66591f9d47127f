#include "workers/router/config.hpp"

#include <doctest/doctest.h>

#include "common/outcome/trouble.hpp"

using namespace cartwright;

TEST_CASE("the router's section is read") {
    router::Config config;
    config::load_text(config, "catch_up_max: 7\nsweep_interval_ms: 300\nmessages:\n  prefetch: 3\n");
    CHECK(config.catch_up_max == 7);
    CHECK(config.sweep_interval == std::chrono::milliseconds(300));
    CHECK(config.messages.prefetch == 3);
    CHECK_THROWS_AS(config::load_text(config, "catch_up_maximum: 7\n"), outcome::StartupError);
}

TEST_CASE("waiting for confirms ends before the database gives up an idle transaction") {
    router::Config config;
    CHECK(config.confirm_timeout < std::chrono::seconds(15));
    CHECK_THROWS_AS(config::load_text(config, "confirm_timeout_ms: 15000\n"), outcome::StartupError);
}
