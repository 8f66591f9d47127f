#include "workers/splitter/config.hpp"

#include <doctest/doctest.h>

#include "common/outcome/trouble.hpp"

using namespace cartwright;

TEST_CASE("the splitter's section is read") {
    splitter::Config config;
    config::load_text(config, "orders:\n  prefetch: 7\n  events_max: 9\n");
    CHECK(config.orders.prefetch == 7);
    CHECK(config.orders.members_max == 9);
    CHECK_THROWS_AS(config::load_text(config, "orders:\n  events_max: 0\n"), outcome::StartupError);
}
