#include "common/amqp/backoff.hpp"

#include <doctest/doctest.h>

namespace cartwright::amqp {
namespace {

using std::chrono::milliseconds;

TEST_CASE("delays double up to the maximum") {
    CHECK(doubled(milliseconds(50), milliseconds(5'000), 0) == milliseconds(50));
    CHECK(doubled(milliseconds(50), milliseconds(5'000), 3) == milliseconds(400));
    CHECK(doubled(milliseconds(50), milliseconds(5'000), 7) == milliseconds(5'000));
    CHECK(doubled(milliseconds(50), milliseconds(5'000), 4'000'000'000) == milliseconds(5'000));
    CHECK(doubled(milliseconds(0), milliseconds(5'000), 2) == milliseconds(4));
}

TEST_CASE("a backoff waits between half and all of the delay, and begins anew after a reset") {
    Backoff backoff(milliseconds(100), milliseconds(1'000));
    for (int round = 0; round < 50; ++round) {
        for (unsigned attempt = 0; attempt < 6; ++attempt) {
            const auto whole = doubled(milliseconds(100), milliseconds(1'000), attempt);
            const auto delay = backoff.next();
            CHECK(delay >= whole / 2);
            CHECK(delay <= whole);
        }
        backoff.reset();
    }
}

}  // namespace
}  // namespace cartwright::amqp
