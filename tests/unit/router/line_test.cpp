#include "workers/router/line.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

using namespace cartwright;
using namespace cartwright::router;

namespace {

routing::StreamKey stream(const std::string& seller) {
    return {SellerId(seller), StreamName("main")};
}

std::vector<std::string> sellers(const std::vector<Line::Next>& begun) {
    std::vector<std::string> names;
    for (const auto& one : begun) names.push_back(one.stream.seller_id.str());
    return names;
}

/// A first call that failed.
void fail(Line& line, const std::string& destination) {
    line.add(destination, 4, stream(destination + "0"));
    REQUIRE(line.next(1).size() == 1);
    line.ended(destination, Line::End::failed);
}

}  // namespace

TEST_CASE("a stream waits once, first come first served, within its destination's limit") {
    Line line(100, 10);
    for (const auto* seller : {"a", "b", "a", "c"}) line.add("api", 2, stream(seller));
    CHECK(line.waiting() == 3);
    CHECK(sellers(line.next(10)) == std::vector<std::string>{"a", "b"});
    CHECK(line.next(10).empty());
    line.ended("api", Line::End::succeeded);
    CHECK(sellers(line.next(10)) == std::vector<std::string>{"c"});
    CHECK(line.waiting() == 0);
}

TEST_CASE("destinations take turns") {
    Line line(100, 10);
    for (const auto* seller : {"a1", "a2", "a3"}) line.add("a", 9, stream(seller));
    line.add("b", 9, stream("b1"));
    line.add("c", 9, stream("c1"));
    CHECK(sellers(line.next(2)) == std::vector<std::string>{"a1", "b1"});
    CHECK(sellers(line.next(9)) == std::vector<std::string>{"c1", "a2", "a3"});
}

TEST_CASE("a destination that failed has one call, out of the failing ones' share, until one succeeds") {
    Line line(100, 2);
    for (const auto* name : {"a", "b", "c"}) fail(line, name);
    for (const auto* name : {"a", "b", "c"}) {
        for (const auto* number : {"1", "2", "3"}) line.add(name, 4, stream(std::string(name) + number));
    }
    CHECK(sellers(line.next(100)) == std::vector<std::string>{"a1", "b1"});
    CHECK(line.next(100).empty());
    line.ended("a", Line::End::no_call);
    CHECK(sellers(line.next(100)) == std::vector<std::string>{"c1"});
    line.ended("b", Line::End::succeeded);
    CHECK(sellers(line.next(100)) == std::vector<std::string>{"a2", "b2", "b3"});
}

TEST_CASE("many failing destinations leave room for the others") {
    Line line(10, 3);
    for (int i = 0; i < 50; ++i) {
        fail(line, "broken-" + std::to_string(i));
    }
    for (int i = 0; i < 50; ++i) {
        const auto name = "broken-" + std::to_string(i);
        line.add(name, 4, stream(name));
    }
    CHECK(line.next(100).size() == 3);
    for (int i = 0; i < 20; ++i) line.add("healthy-" + std::to_string(i), 4, stream("h" + std::to_string(i)));
    CHECK(line.next(100).size() == 7);
}

TEST_CASE("limits hold and nothing is lost, whatever happens") {
    std::mt19937 random(11);
    Line line(20, 5);
    std::map<std::string, int> begun;
    int begun_in_all = 0, added = 0, served = 0;
    std::set<std::string> waiting;
    for (int step = 0; step < 20'000; ++step) {
        const auto name = "d" + std::to_string(random() % 12);
        if (random() % 2 == 0) {
            const auto seller = name + "-" + std::to_string(random() % 30);
            if (waiting.insert(seller).second) ++added;
            line.add(name, 3, stream(seller));
        } else if (random() % 2 == 0) {
            for (const auto& one : line.next(1 + random() % 4)) {
                ++begun[one.destination];
                ++begun_in_all;
                ++served;
                REQUIRE(waiting.erase(one.stream.seller_id.str()) == 1);
                REQUIRE(begun[one.destination] <= 3);
            }
            REQUIRE(begun_in_all <= 20);
        } else if (begun[name] > 0) {
            --begun[name];
            --begun_in_all;
            line.ended(name, static_cast<Line::End>(random() % 3));
        }
        REQUIRE(line.waiting() == waiting.size());
    }
    for (auto& [name, count] : begun)
        for (; count > 0; --count) line.ended(name, Line::End::succeeded);
    while (!waiting.empty()) {
        const auto next = line.next(5);
        REQUIRE_FALSE(next.empty());
        for (const auto& one : next) {
            waiting.erase(one.stream.seller_id.str());
            line.ended(one.destination, Line::End::succeeded);
            ++served;
        }
    }
    CHECK(served == added);
}
