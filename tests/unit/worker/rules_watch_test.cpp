#include "common/worker/rules_watch.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "common/metrics/metrics.hpp"
#include "common/outcome/trouble.hpp"

using namespace cartwright;
namespace files = std::filesystem;

namespace {

std::string rule(const std::string& stream) {
    return "streams: [{name: a, match: {seller: s}, stream: " + stream + "}]\n";
}

bool comes_true(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

/// A directory of rules, and a loop that watches it.
class Watched {
  public:
    Watched() {
        folder = files::temp_directory_path() / ("rules-watch-" + std::to_string(getpid()));
        files::remove_all(folder);
        files::create_directories(folder / "rules");
    }
    ~Watched() {
        if (thread_.joinable()) {
            loop_.stop();
            thread_.join();
        }
        watch_.reset();
        files::remove_all(folder);
    }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(folder / name) << text;
    }
    void make(const std::string& rules = "rules") {
        watch_ = std::make_unique<worker::RulesWatch>(loop_, (folder / rules).string());
    }
    void start(const std::string& rules = "rules") {
        make(rules);
        run();
    }
    void run() {
        thread_ = std::thread([this] { loop_.run(); });
    }
    std::string stream() const {
        routing::Facts facts;
        facts.seller = "s";
        return watch_->current()->choose_stream(facts).stream.str();
    }
    std::shared_ptr<const routing::Rules> rules() const { return watch_->current(); }
    bool becomes(const std::string& wanted) const {
        return comes_true([&] { return stream() == wanted; });
    }

    files::path folder;

  private:
    runtime::Loop loop_;
    std::unique_ptr<worker::RulesWatch> watch_;
    std::thread thread_;
};

double refused() {
    return metrics::counter("cartwright_rules_refused_total", "").value();
}

double loaded() {
    return metrics::counter("cartwright_rules_loaded_total", "").value();
}

}  // namespace

TEST_CASE("wrong rules at the start are told whole") {
    Watched here;
    here.write("rules/a.yaml", "streams: 1\ndeliveries: 2\n");
    try {
        here.start();
        FAIL("it started");
    } catch (const outcome::StartupError& error) {
        const std::string text = error.what();
        CHECK(text.find("a.yaml:1:10: ") != std::string::npos);
        CHECK(text.find("a.yaml:2:13: ") != std::string::npos);
    }
    here.write("rules/a.yaml",
               rule("x") + "examples: [{name: e, given: {seller: s}, expect: {stream: y}}]\n");
    CHECK_THROWS_AS(here.start(), outcome::StartupError);
}

TEST_CASE("a changed file is taken up, written in place, renamed over, added or removed") {
    Watched here;
    here.write("rules/b.yaml", rule("one"));
    here.start();
    CHECK(here.stream() == "one");
    here.write("rules/b.yaml", rule("two"));
    CHECK(here.becomes("two"));
    here.write("new", rule("three"));
    files::rename(here.folder / "new", here.folder / "rules/b.yaml");
    CHECK(here.becomes("three"));
    files::remove(here.folder / "rules/b.yaml");
    CHECK(here.becomes("main"));
    here.write("rules/c.yaml", rule("four"));
    CHECK(here.becomes("four"));
}

TEST_CASE("what changes before the loop runs counts when it does") {
    Watched here;
    here.write("rules/a.yaml", rule("one"));
    here.make();
    here.write("rules/a.yaml", rule("two"));
    CHECK(here.stream() == "one");
    here.run();
    CHECK(here.becomes("two"));
}

TEST_CASE("wrong rules are refused, the old ones stay") {
    Watched here;
    here.write("rules/a.yaml", rule("one"));
    here.start();
    const auto before = refused();
    here.write("rules/a.yaml", "streams: [{nonsense\n");
    CHECK(comes_true([&] { return refused() > before; }));
    CHECK(here.stream() == "one");
    here.write("rules/a.yaml", rule("two"));
    CHECK(here.becomes("two"));
}

TEST_CASE("a mounted ConfigMap swaps a symlink, again and again") {
    Watched here;
    const auto version = [&](int number, const std::string& stream) {
        const auto name = "..2026_" + std::to_string(number);
        files::create_directories(here.folder / "rules" / name);
        here.write("rules/" + name + "/a.yaml", rule(stream));
        return name;
    };
    files::create_symlink(version(1, "v1"), here.folder / "rules/..data");
    files::create_symlink("..data/a.yaml", here.folder / "rules/a.yaml");
    here.start();
    CHECK(here.stream() == "v1");
    for (int number = 2; number < 5; ++number) {
        const auto stream = "v" + std::to_string(number);
        files::create_symlink(version(number, stream), here.folder / "rules/..data_tmp");
        files::rename(here.folder / "rules/..data_tmp", here.folder / "rules/..data");
        files::remove_all(here.folder / ("rules/..2026_" + std::to_string(number - 1)));
        CHECK(here.becomes(stream));
    }
    here.write("rules/..2026_4/a.yaml", rule("mended"));
    CHECK(here.becomes("mended"));
}

TEST_CASE("files that are links to elsewhere are followed there") {
    Watched here;
    files::create_directories(here.folder / "team/current");
    here.write("team/current/a.yaml", rule("one"));
    files::create_symlink("../team/current/a.yaml", here.folder / "rules/a.yaml");
    here.start();
    CHECK(here.stream() == "one");
    here.write("team/current/a.yaml", rule("two"));
    CHECK(here.becomes("two"));
    here.write("new", rule("three"));
    files::rename(here.folder / "new", here.folder / "team/current/a.yaml");
    CHECK(here.becomes("three"));
    files::rename(here.folder / "team/current",
                  here.folder / "team/old");  // its rules can't be read meanwhile
    files::create_directories(here.folder / "team/next");
    here.write("team/next/a.yaml", rule("four"));
    files::rename(here.folder / "team/next", here.folder / "team/current");
    CHECK(here.becomes("four"));
}

TEST_CASE("a directory behind a link that is swapped") {
    Watched here;
    files::create_directories(here.folder / "one/rules");
    files::create_directories(here.folder / "two/rules");
    here.write("one/rules/a.yaml", rule("one"));
    here.write("two/rules/a.yaml", rule("two"));
    files::create_directory_symlink("one", here.folder / "now");
    here.start("now/rules");
    CHECK(here.stream() == "one");
    files::create_directory_symlink("two", here.folder / "next");
    files::rename(here.folder / "next", here.folder / "now");
    CHECK(here.becomes("two"));
    here.write("two/rules/a.yaml", rule("three"));
    CHECK(here.becomes("three"));
}

TEST_CASE("the directory is removed and made again: the old rules stay meanwhile") {
    Watched here;
    here.write("rules/a.yaml", rule("one"));
    here.start();
    for (const auto* stream : {"two", "three"}) {
        const auto before = here.stream();
        const auto refusals = refused();
        files::rename(here.folder / "rules", here.folder / "gone");
        files::remove_all(here.folder / "gone");
        CHECK(comes_true([&] { return refused() > refusals; }));
        CHECK(here.stream() == before);
        files::create_directories(here.folder / "making");
        here.write("making/a.yaml", rule(stream));
        files::rename(here.folder / "making", here.folder / "rules");
        CHECK(here.becomes(stream));
    }
    here.write("rules/a.yaml", rule("four"));
    CHECK(here.becomes("four"));
}

TEST_CASE("the directory itself may become another one") {
    Watched here;
    here.write("rules/a.yaml", rule("one"));
    here.start();
    files::rename(here.folder / "rules", here.folder / "away");
    here.write("away/a.yaml", rule("two"));
    CHECK(here.stream() == "one");
    files::create_directories(here.folder / "other");
    here.write("other/a.yaml", rule("three"));
    files::create_directory_symlink("other", here.folder / "link");
    files::rename(here.folder / "link", here.folder / "rules");
    CHECK(here.becomes("three"));
    here.write("other/a.yaml", rule("four"));
    CHECK(here.becomes("four"));
}

TEST_CASE("a file that is written in pieces is read when it is quiet") {
    using Clock = std::chrono::steady_clock;
    Watched here;
    here.write("rules/a.yaml", rule("one"));
    here.start();
    const auto seen_while_written = [&](Clock::duration& longest_pause) {
        std::set<std::string> seen;
        std::ofstream file(here.folder / "rules/a.yaml");
        auto before = Clock::now();
        for (const auto* piece : {"streams:\n", "- {name: b, match: {seller: other}, stream: b}\n",
                                  "- {name: a, match: {seller: s}, stream: two}\n"}) {
            for (const auto begun = Clock::now(); Clock::now() - begun < std::chrono::milliseconds(30);)
                seen.insert(here.stream());
            file << piece << std::flush;
            const auto now = Clock::now();
            longest_pause = std::max(longest_pause, now - before);
            before = now;
        }
        return seen;
    };
    for (int attempt = 0; attempt < 100; ++attempt) {
        Clock::duration longest_pause{};
        const auto seen = seen_while_written(longest_pause);
        CHECK(here.becomes("two"));
        if (longest_pause < std::chrono::milliseconds(80)) {
            CHECK(seen == std::set<std::string>{"one"});
            return;
        }
        here.write("rules/a.yaml", rule("one"));  // this machine was busy: it was quiet in between
        CHECK(here.becomes("one"));
    }
}

TEST_CASE("what never is quiet is read all the same") {
    Watched here;
    here.write("rules/a.yaml", rule("one"));
    here.start();
    here.write("rules/a.yaml", rule("two"));
    std::atomic<bool> over = false;
    std::thread restless([&] {
        while (!over) here.write("rules/notes.txt", "x");
    });
    CHECK(here.becomes("two"));
    over = true;
    restless.join();
}

TEST_CASE("what is the same in other words is not taken up anew") {
    Watched here;
    here.write("rules/a.yaml", rule("one"));
    here.start();
    const auto before = here.rules();
    const auto loads = loaded();
    here.write("rules/a.yaml", "# a comment\n" + rule("one"));
    files::rename(here.folder / "rules/a.yaml", here.folder / "rules/b.yaml");
    ::kill(getpid(), SIGHUP);
    const auto refusals = refused();
    here.write("rules/b.yaml", rule("one") + "nonsense: 1\n");
    CHECK(comes_true([&] { return refused() > refusals; }));  // so it was read since
    CHECK(here.rules() == before);
    CHECK(loaded() == loads);
}

TEST_CASE("the version in use is told, the one before is not any more") {
    Watched here;
    const auto shown = [](const std::string& version) {
        return metrics::gauge("cartwright_rules_info", "", {{"version", version}}).value();
    };
    here.write("rules/a.yaml", rule("one"));
    here.start();
    const auto before = here.rules()->set().version;
    CHECK(shown(before) == 1);
    const auto loads = loaded();
    here.write("rules/a.yaml", rule("two"));
    CHECK(comes_true([&] { return loaded() == loads + 1; }));
    CHECK(here.stream() == "two");
    CHECK(shown(before) == 0);
    CHECK(shown(here.rules()->set().version) == 1);
}

TEST_CASE("SIGHUP reads them again") {
    Watched here;
    here.write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    here.write("rules/a.yaml", "destinations: {api: {url: https://a.example/, secrets: ['file:" +
                                   (here.folder / "secret").string() + "']}}\n");
    here.start();
    here.write("secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    ::kill(getpid(), SIGHUP);
    CHECK(comes_true(
        [&] { return here.rules()->destination("api")->endpoint.secrets.at(0) == std::string(24, '\0'); }));
}
