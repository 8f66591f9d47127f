#include "common/metrics/metrics.hpp"

#include <doctest/doctest.h>

#include <thread>

namespace metrics = cartwright::metrics;

namespace {

bool exposes(const std::string& line) {
    return ("\n" + metrics::expose()).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("counters, gauges and histograms are exposed as text") {
    metrics::counter("test_carts_total", "Carts.", {{"result", "ready"}}).add(2);
    metrics::gauge("test_depth", "Depth.").set(1.5);
    const metrics::Histogram histogram =
        metrics::histogram("test_seconds", "Time.", {0.1, 1}, {{"lane", "a"}});
    histogram.observe(0.1);
    histogram.observe(0.5);
    histogram.observe(7);
    CHECK(exposes("# HELP test_carts_total Carts."));
    CHECK(exposes("# TYPE test_carts_total counter"));
    CHECK(exposes("test_carts_total{result=\"ready\"} 2"));
    CHECK(exposes("test_depth 1.5"));
    CHECK(exposes("test_seconds_bucket{lane=\"a\",le=\"0.1\"} 1"));
    CHECK(exposes("test_seconds_bucket{lane=\"a\",le=\"1\"} 2"));
    CHECK(exposes("test_seconds_bucket{lane=\"a\",le=\"+Inf\"} 3"));
    CHECK(exposes("test_seconds_count{lane=\"a\"} 3"));
}

TEST_CASE("the same name and labels give the same series") {
    metrics::counter("test_same_total", "Same.", {{"a", "1"}}).add();
    metrics::counter("test_same_total", "Another help text.", {{"a", "1"}}).add();
    metrics::counter("test_same_total", "Same.", {{"a", "2"}}).add();
    CHECK(metrics::counter("test_same_total", "Same.", {{"a", "1"}}).value() == 2);
    CHECK(metrics::counter("test_same_total", "Same.", {{"a", "2"}}).value() == 1);
    metrics::histogram("test_same_seconds", "Same.", {1, 2}).observe(1);
    metrics::histogram("test_same_seconds", "Same.", {3}).observe(1);
    CHECK(exposes("test_same_seconds_count 2"));
}

TEST_CASE("a default handle does nothing") {
    metrics::Counter().add();
    metrics::Gauge().set(1);
    metrics::Gauge().add(1);
    metrics::Histogram().observe(1);
    CHECK(metrics::Counter().value() == 0);
    CHECK(metrics::Gauge().value() == 0);
}

TEST_CASE("label values are escaped") {
    metrics::gauge("test_escaped", "Escaped.", {{"v", "a\"b\\c\nd"}}).set(1);
    CHECK(exposes("test_escaped{v=\"a\\\"b\\\\c\\nd\"} 1"));
}

TEST_CASE("hooks run before exposing, as long as their owner lives") {
    const metrics::Gauge gauge = metrics::gauge("test_hooked", "Hooked.");
    auto owner = std::make_shared<int>(0);
    metrics::on_expose(owner, [gauge, count = owner.get()] { gauge.set(++*count); });
    CHECK(exposes("test_hooked 1"));
    CHECK(exposes("test_hooked 2"));
    owner.reset();
    CHECK(exposes("test_hooked 2"));
    static int always = 0;
    metrics::on_expose([] { ++always; });
    metrics::expose();
    metrics::expose();
    CHECK(always == 2);
}

TEST_CASE("threads may use one handle and make the same one") {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([] {
            for (int i = 0; i < 1000; ++i) metrics::counter("test_threads_total", "Threads.").add();
            metrics::expose();
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(metrics::counter("test_threads_total", "Threads.").value() == 4000);
}

TEST_CASE("the number of series is bounded") {
    metrics::counter("test_early_total", "Early.").add();
    for (std::size_t i = 0; i < metrics::series_max + 10; ++i) {
        metrics::counter("test_many_total", "Many.", {{"i", std::to_string(i)}}).add();
    }
    CHECK(metrics::counter("test_many_total", "Many.", {{"i", "0"}}).value() == 1);
    const metrics::Counter beyond = metrics::counter("test_many_total", "Many.", {{"i", "beyond"}});
    beyond.add();
    CHECK(beyond.value() == 0);
    CHECK(metrics::counter("test_early_total", "Early.").value() == 1);
}
