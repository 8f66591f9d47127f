#include "common/worker/rules_watch.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
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
    void start() {
        watch_ = std::make_unique<worker::RulesWatch>(loop_, (folder / "rules").string());
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

TEST_CASE("a mounted ConfigMap swaps a symlink") {
    Watched here;
    files::create_directories(here.folder / "rules/..2026_1");
    files::create_directories(here.folder / "rules/..2026_2");
    here.write("rules/..2026_1/a.yaml", rule("one"));
    here.write("rules/..2026_2/a.yaml", rule("two"));
    files::create_symlink("..2026_1", here.folder / "rules/..data");
    files::create_symlink("..data/a.yaml", here.folder / "rules/a.yaml");
    here.start();
    CHECK(here.stream() == "one");
    files::create_symlink("..2026_2", here.folder / "rules/..data_tmp");
    files::rename(here.folder / "rules/..data_tmp", here.folder / "rules/..data");
    files::remove_all(here.folder / "rules/..2026_1");
    CHECK(here.becomes("two"));
}

TEST_CASE("the directory itself may be another one, or be away for a while") {
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
