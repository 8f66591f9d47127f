#include "tests/load/percentiles.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace cartwright::load;

TEST_CASE("a percentile is the smallest value that enough values do not exceed") {
    std::vector<double> values;
    CHECK(percentile(values, 0.5) == 0);
    for (int value = 1; value <= 200; ++value) values.push_back(value);
    CHECK(percentile(values, 0.5) == 100);
    CHECK(percentile(values, 0.99) == 198);
    CHECK(percentile(values, 1) == 200);
    CHECK(percentile(std::vector<double>{7}, 0.001) == 7);
}

TEST_CASE("latency is as usual after the last second that was too slow") {
    std::vector<Timed> timed;
    for (int second = 0; second < 6; ++second) {
        for (int i = 0; i < 200; ++i) timed.push_back({second + i / 200.0, second < 2 ? 900.0 : 5.0});
    }
    CHECK(usual_after_s(timed, 50) == 2);
    CHECK(usual_after_s(timed, 1'000) == 0);
    SUBCASE("one slow message in a hundred does not count, three do") {
        timed.push_back({4.5, 70});
        CHECK(usual_after_s(timed, 50) == 2);
        timed.push_back({4.5, 70});
        timed.push_back({4.6, 70});
        CHECK(usual_after_s(timed, 50) == 5);
    }
}
