#include "workers/router/queue_watch.hpp"

#include <doctest/doctest.h>

#include "common/outcome/trouble.hpp"

using namespace cartwright;
using router::QueueWatch;
using std::chrono::milliseconds;

namespace {

struct Bench {
    QueueWatch::Clock::time_point time{std::chrono::hours(1)};
    std::map<std::string, std::uint64_t> depths;
    bool readable = true;
    int asked = 0;
    QueueWatch watch{[this](const std::string& queue) -> std::optional<std::uint64_t> {
                         ++asked;
                         if (!readable) throw outcome::Unavailable("no connection");
                         const auto found = depths.find(queue);
                         if (found == depths.end()) return std::nullopt;
                         return found->second;
                     },
                     100, [this] { return time; }};

    bool takes(const std::string& queue) { return watch.trouble(queue).empty(); }
};

}  // namespace

TEST_CASE("a queue that is too deep takes nothing, its neighbours do") {
    Bench bench;
    bench.depths = {{"deep", 101}, {"full", 100}};
    CHECK_FALSE(bench.takes("deep"));
    CHECK(bench.watch.trouble("deep") == "queue deep holds 101 messages, more than 100");
    CHECK(bench.takes("full"));
    CHECK(bench.takes("not there"));
}

TEST_CASE("a queue is asked at most once a second") {
    Bench bench;
    for (int i = 0; i < 10; ++i) CHECK(bench.takes("q"));
    CHECK(bench.asked == 1);
    bench.depths["q"] = 500;
    bench.time += milliseconds(999);
    CHECK(bench.takes("q"));
    bench.time += milliseconds(1);
    CHECK_FALSE(bench.takes("q"));
    CHECK(bench.asked == 2);
    bench.depths["q"] = 5;
    bench.time += milliseconds(1'000);
    CHECK(bench.takes("q"));
}

TEST_CASE("when depths can't be read there is no bound, and nobody asks for a while") {
    Bench bench;
    bench.depths = {{"q", 101}};
    CHECK_FALSE(bench.takes("q"));
    bench.readable = false;
    bench.time += milliseconds(1'000);
    CHECK(bench.takes("q"));
    CHECK(bench.asked == 2);
    bench.time += milliseconds(5'000);
    CHECK(bench.takes("q"));
    CHECK(bench.takes("another"));
    CHECK(bench.asked == 2);
    bench.readable = true;
    bench.time += milliseconds(5'000);
    CHECK_FALSE(bench.takes("q"));
}

TEST_CASE("a queue that does not confirm rests for longer every time") {
    Bench bench;
    for (const int seconds : {5, 10, 20, 40, 60, 60}) {
        bench.watch.answered("q", false);
        CHECK(bench.watch.trouble("q") == "queue q does not confirm");
        CHECK(bench.takes("another"));
        bench.time += std::chrono::seconds(seconds) - milliseconds(1);
        CHECK_FALSE(bench.takes("q"));
        bench.time += milliseconds(1);
        CHECK(bench.takes("q"));
    }
    bench.watch.answered("q", true);
    bench.watch.answered("q", false);
    bench.time += std::chrono::seconds(5);
    CHECK(bench.takes("q"));
}
