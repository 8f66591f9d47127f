#include "common/config/nearest.hpp"

#include <doctest/doctest.h>

using cartwright::config::nearest;

TEST_CASE("the nearest candidate, if it is near") {
    const std::vector<std::string> names{"lanes", "batch_max", "idle_limit_ms", "url"};
    CHECK(nearest("lane", names) == "lanes");
    CHECK(nearest("lnaes", names) == "lanes");
    CHECK(nearest("batchmax", names) == "batch_max");
    CHECK(nearest("batch-max", names) == "batch_max");
    CHECK(nearest("idle_limit", names) == "idle_limit_ms");
    CHECK(nearest("URL", names).empty());
    CHECK(nearest("x", names).empty());
    CHECK(nearest("something_else", names).empty());
    CHECK(nearest("lanes", {}).empty());
    CHECK(nearest(std::string(1'000'000, 'l'), names).empty());
}
