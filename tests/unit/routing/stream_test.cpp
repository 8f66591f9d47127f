#include "common/routing/stream.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace cartwright;

TEST_CASE("a seller's queue follows FNV-1a, which never changes") {
    // Test vectors of the hash: FNV-1a 64 of "a" is af63dc4c8601ec8c, of "foobar" 85944171f73967e8.
    CHECK(routing::shared_queue_of(SellerId("a"), 0x1'0000'0000) == 0x8601ec8c);
    CHECK(routing::shared_queue_of(SellerId("foobar"), 0x1'0000'0000) == 0xf73967e8);
    CHECK(routing::shared_queue_of(SellerId("foobar"), 8) == 0);
    CHECK(routing::shared_queue_of(SellerId("a"), 8) == 4);
}

TEST_CASE("sellers spread over all queues") {
    std::vector<int> sellers(8);
    for (int i = 0; i < 8'000; ++i)
        ++sellers[routing::shared_queue_of(SellerId("seller-" + std::to_string(i)), 8)];
    for (const int count : sellers) {
        CHECK(count > 800);
        CHECK(count < 1'200);
    }
}
