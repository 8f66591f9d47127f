#include "common/catalogue/two_generations.hpp"

#include <doctest/doctest.h>

#include <string>

using cartwright::catalogue::TwoGenerations;

TEST_CASE("entries are found, replaced and erased") {
    TwoGenerations<std::string, int> map(10);
    CHECK(map.find("a") == nullptr);
    map.put("a", 1, 1);
    map.put("b", 2, 2);
    CHECK(*map.find("a") == 1);
    CHECK(map.size() == 2);
    CHECK(map.weight() == 3);
    map.put("a", 3, 2);
    CHECK(*map.find("a") == 3);
    CHECK(map.weight() == 4);
    map.erase("a");
    map.erase("a");
    CHECK(map.find("a") == nullptr);
    CHECK(map.weight() == 2);
    map.clear();
    CHECK(map.size() == 0);
    CHECK(map.weight() == 0);
    CHECK(map.evictions() == 0);
}

TEST_CASE("the weight is bounded, what is asked for stays") {
    TwoGenerations<int, int> map(100);
    map.put(-1, 7, 1);
    for (int i = 0; i < 1000; ++i) {
        map.put(i, i, 1);
        REQUIRE(map.find(-1) != nullptr);
        REQUIRE(map.weight() <= 100);
        REQUIRE(map.size() == map.weight());
    }
    CHECK(*map.find(-1) == 7);
    CHECK(map.find(999) != nullptr);
    CHECK(map.find(0) == nullptr);
    CHECK(map.evictions() >= 900);
    CHECK(map.evictions() + map.size() == 1001);
}

TEST_CASE("an entry in the old generation is replaced, not doubled") {
    TwoGenerations<int, int> map(4);
    map.put(1, 1, 1);
    map.put(2, 2, 1);
    map.put(3, 3, 1);
    map.put(1, 10, 1);
    CHECK(map.size() == 3);
    CHECK(*map.find(1) == 10);
}

TEST_CASE("what alone is too heavy is not kept") {
    TwoGenerations<int, int> map(10);
    map.put(1, 1, 2);
    map.put(1, 1, 6);
    CHECK(map.find(1) == nullptr);
    CHECK(map.weight() == 0);
    TwoGenerations<int, int> none(0);
    none.put(1, 1, 1);
    CHECK(none.find(1) == nullptr);
}
