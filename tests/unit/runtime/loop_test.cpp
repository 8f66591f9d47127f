#include "common/runtime/loop.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using cartwright::runtime::Loop;
using cartwright::runtime::Timer;
namespace files = std::filesystem;

TEST_CASE("posted work runs in order, on the thread of run") {
    Loop loop;
    std::vector<int> order;
    std::thread::id thread;
    for (int i = 0; i < 5; ++i) loop.post([&, i] { order.push_back(i); });
    loop.post([&] { thread = std::this_thread::get_id(); });
    loop.post([&] { loop.post([&] { loop.stop(); }); });
    loop.run();
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(thread == std::this_thread::get_id());
}

TEST_CASE("nothing that threads post is lost") {
    Loop loop;
    int count = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) {
                loop.post([&] {
                    if (++count == 4000) loop.stop();
                });
            }
        });
    }
    loop.run();
    for (std::thread& thread : threads) thread.join();
    CHECK(count == 4000);
}

TEST_CASE("stop comes from any thread, also before run, and counts once") {
    Loop loop;
    bool posted = false;
    loop.post([&] { posted = true; });
    loop.stop();
    loop.stop();
    loop.run();
    CHECK(posted);

    bool ran = false;
    loop.post([&] { ran = true; });
    std::thread other;
    loop.after(1ms, [&] { other = std::thread([&] { loop.stop(); }); });
    loop.run();
    other.join();
    CHECK(ran);
}

TEST_CASE("a repeating timer fires until it is cancelled, also by itself") {
    Loop loop;
    int ticks = 0;
    Timer timer = loop.every(1ms, [&] {
        if (++ticks < 3) return;
        timer.cancel();
        timer.cancel();
        loop.after(5ms, [&] { loop.stop(); });
    });
    CHECK(timer.active());
    loop.run();
    CHECK(ticks == 3);
    CHECK_FALSE(timer.active());
}

TEST_CASE("a delay is not shortened by work that took long") {
    Loop loop;
    std::chrono::steady_clock::duration waited{};
    loop.post([&] {
        std::this_thread::sleep_for(30ms);
        loop.after(20ms, [&, begin = std::chrono::steady_clock::now()] {
            waited = std::chrono::steady_clock::now() - begin;
            loop.stop();
        });
    });
    loop.run();
    CHECK(waited >= 19ms);
}

TEST_CASE("a timer that was cancelled before it fires never does") {
    Loop loop;
    bool fired = false;
    Timer timer = loop.after(1ms, [&] { fired = true; });
    timer.cancel();
    loop.after(10ms, [&] { loop.stop(); });
    loop.run();
    CHECK_FALSE(fired);
}

TEST_CASE("timers may outlive their loop, and hold themselves") {
    Timer timer;
    auto held = std::make_shared<int>(1);
    {
        Loop loop;
        timer = loop.every(1h, [held] {});
        auto self = std::make_shared<Timer>();
        *self = loop.after(1h, [held, self] {});
        CHECK(held.use_count() == 3);
    }
    CHECK(held.use_count() == 1);
    CHECK_FALSE(timer.active());
    timer.cancel();
    Timer().cancel();
    CHECK_FALSE(Timer().active());
}

TEST_CASE("signals reach every function") {
    Loop loop;
    int first = 0, second = 0;
    loop.on_signal({SIGUSR1, SIGUSR2}, [&](int number) { first = number; });
    loop.on_signal({SIGUSR2}, [&](int number) {
        second = number;
        loop.stop();
    });
    loop.post([] { std::raise(SIGUSR2); });
    loop.run();
    CHECK(first == SIGUSR2);
    CHECK(second == SIGUSR2);
}

TEST_CASE("what work throws leaves run, and the rest waits for the next") {
    Loop loop;
    bool later = false;
    loop.post([] { throw std::runtime_error("posted"); });
    loop.post([&] { later = true; });
    CHECK_THROWS_WITH(loop.run(), "posted");
    CHECK_FALSE(later);
    loop.after(1ms, [] { throw std::runtime_error("timed"); });
    CHECK_THROWS_WITH(loop.run(), "timed");
    CHECK(later);
}

TEST_CASE("a loop that never ran closes cleanly") {
    auto held = std::make_shared<int>(1);
    {
        Loop loop;
        loop.post([held] {});
        loop.every(1ms, [held] {});
        loop.on_signal({SIGUSR1}, [held](int) {});
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("a directory that is watched tells what is made, changed, renamed and removed in it") {
    const auto folder = files::temp_directory_path() / ("loop-watch-" + std::to_string(getpid()));
    files::remove_all(folder);
    files::create_directories(folder);
    Loop loop;
    std::vector<std::string> names;
    const auto told = [&](const std::string& name, const std::function<void()>& change) {
        names.clear();
        change();
        const auto deadline = loop.after(20s, [&] { loop.stop(); });
        while (std::find(names.begin(), names.end(), name) == names.end() && deadline.active()) loop.run();
        const bool in_time = deadline.active();
        Timer(deadline).cancel();
        return in_time;
    };
    {
        const auto watch = loop.watch(folder.string(), [&](const std::string& name) {
            names.push_back(name);
            loop.stop();
        });
        REQUIRE(watch.active());
        CHECK(told("a", [&] { std::ofstream(folder / "a") << "one"; }));
        CHECK(told("a", [&] { std::ofstream(folder / "a", std::ios::app) << "two"; }));
        CHECK(told("b", [&] { files::rename(folder / "a", folder / "b"); }));
        CHECK(told("b", [&] { files::remove(folder / "b"); }));
    }
    names.clear();
    std::ofstream(folder / "c") << "nobody listens";
    loop.after(20ms, [&] { loop.stop(); });
    loop.run();
    CHECK(names.empty());
    files::remove_all(folder);
    CHECK_FALSE(loop.watch(folder.string(), [](const std::string&) {}).active());
}

TEST_CASE("what a watch's function throws leaves run") {
    const auto folder = files::temp_directory_path() / ("loop-throws-" + std::to_string(getpid()));
    files::create_directories(folder);
    Loop loop;
    {
        const auto watch =
            loop.watch(folder.string(), [](const std::string&) { throw std::runtime_error("x"); });
        std::ofstream(folder / "a") << "one";
        CHECK_THROWS_AS(loop.run(), std::runtime_error);
    }
    files::remove_all(folder);
}
