#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/unit/config/example.hpp"

using namespace example;

TEST_CASE("an empty file leaves all defaults") {
    for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "pool:\n", "pool: {}\n"}) {
        Service service;
        CHECK(problems_of(service, text).empty());
        CHECK(service.name == "main");
        CHECK(service.pool.lanes == 4);
        CHECK(service.queues.size() == 2);
    }
}

TEST_CASE("every kind of field is read") {
    Service service;
    CHECK(problems_of(service, R"(# all of them
name: "17"
enabled: false
level: warn
queues: [x, 'y z', 3]
delays_ms:
  - 10
  - 20
url: amqp://in-the-file
pool:
  lanes: 8
  batch_max: 1
  idle_limit_ms: 100
rules:
  - match: first
    weight: 0
  - {match: second}
)") == "");
    CHECK(service.name == "17");
    CHECK_FALSE(service.enabled);
    CHECK(service.level == Level::warn);
    CHECK(service.queues == std::vector<std::string>{"x", "y z", "3"});
    CHECK(service.delays == std::vector<std::chrono::milliseconds>{10ms, 20ms});
    CHECK(service.url == "amqp://in-the-file");
    CHECK(service.pool.lanes == 8);
    CHECK(service.pool.batch_max == 1);
    CHECK(service.pool.idle_limit == 100ms);
    REQUIRE(service.rules.size() == 2);
    CHECK(service.rules[0].match == "first");
    CHECK(service.rules[0].weight == 0);
    CHECK(service.rules[1].match == "second");
    CHECK(service.rules[1].weight == 1);
}

TEST_CASE("all problems are reported at once, with their places, in the order of the file") {
    const std::string problems = problems_of(R"(nmae: x
enabled: yes
level: wran
queues: none
pool:
  lanes: 65
  batch_max: many
  idle_limit_ms: 5s
  lanes: 3
rules:
  - mach: x
)");
    CHECK(problems ==
          "c.yaml:1:1: unknown key 'nmae'; did you mean 'name'?\n"
          "c.yaml:2:10: enabled is 'yes'; write true or false\n"
          "c.yaml:3:8: level is 'wran'; did you mean 'warn'? write one of debug, info, warn\n"
          "c.yaml:4:1: queues is a single value; write a list of text, or remove the key\n"
          "c.yaml:6:10: pool.lanes is 65, which is out of range; write a whole number from 1 to 64\n"
          "c.yaml:7:14: pool.batch_max is 'many'; write a whole number from 1 to 10000\n"
          "c.yaml:8:18: pool.idle_limit_ms is '5s'; write a whole number of milliseconds from 100 to 600000\n"
          "c.yaml:9:3: duplicate key 'lanes', first on line 6; keep one\n"
          "c.yaml:11:5: unknown key 'mach' in rules[0]; did you mean 'match'?");
}

TEST_CASE("whole numbers are decimal, in range and without quotes") {
    CHECK(problems_of("pool: {lanes: 0}").find("out of range") != std::string::npos);
    CHECK(problems_of("pool: {lanes: -1}").find("out of range") != std::string::npos);
    CHECK(problems_of("pool: {lanes: 99999999999999999999}").find("out of range") != std::string::npos);
    CHECK(problems_of("pool: {lanes: '4'}").find("without quotes") != std::string::npos);
    for (const char* number : {"4.0", "0x4", "1_0", "4 4", "+4", "four", "1e1"}) {
        CHECK(problems_of("pool: {lanes: " + std::string(number) + "}").find("write a whole number") !=
              std::string::npos);
    }
    CHECK(problems_of("pool: {lanes: 64}").empty());
    CHECK(problems_of("rules: [{weight: 11}]").find("rules[0].weight is 11") != std::string::npos);
    CHECK(problems_of("delays_ms: [1, 0]") ==
          "c.yaml:1:16: delays_ms is 0, which is out of range; write a whole number of milliseconds from 1 "
          "to 3600000");
}

TEST_CASE("values of the wrong shape") {
    CHECK(problems_of("name:") == "c.yaml:1:1: name is empty; write text, or remove the key");
    CHECK(problems_of("name: [a]") == "c.yaml:1:1: name is a list; write text, or remove the key");
    CHECK(problems_of("name: {a: b}") == "c.yaml:1:1: name is a mapping; write text, or remove the key");
    CHECK(problems_of("enabled: 'true'").find("without quotes") != std::string::npos);
    CHECK(problems_of("queues: [a, ~]") == "c.yaml:1:13: an item of queues is empty; write text");
    CHECK(problems_of("queues: [a, [b]]") == "c.yaml:1:13: an item of queues is a list; write text");
    CHECK(problems_of("pool: 3") == "c.yaml:1:1: pool is a single value; write keys and values below it");
    CHECK(problems_of("pool: [3]") == "c.yaml:1:1: pool is a list; write keys and values below it");
    CHECK(problems_of("rules: {a: b}").find("rules is a mapping; write a list") != std::string::npos);
    CHECK(problems_of("rules: [a]") == "c.yaml:1:9: rules[0] is a single value; write keys and values");
    CHECK(problems_of("rules: [{}, {}, {}, {}]") == "c.yaml:1:1: rules has 4 items; write at most 3");
    CHECK(problems_of("just words") == "c.yaml:1:1: the file is a single value; write keys and values");
    CHECK(problems_of("- a") == "c.yaml:1:1: the file is a list; write keys and values");
}

TEST_CASE("lists are bounded") {
    std::string list = "queues:\n";
    for (std::size_t i = 0; i < config::list_items_max; ++i) list += "- q\n";
    CHECK(problems_of(list).empty());
    CHECK(problems_of(list + "- q\n") == "c.yaml:1:1: queues has 1001 items; write at most 1000");
}

TEST_CASE("sections of other programs are skipped at the root only") {
    CHECK(problems_of("router: {anything: [1, 2]}\nname: x\n", {"router"}).empty());
    CHECK(
        problems_of("pool: {router: 1}", {"router"}) ==
        "c.yaml:1:8: unknown key 'router' in pool; remove it (known here: lanes, batch_max, idle_limit_ms)");
    CHECK(problems_of("ruoter: {}", {"router"}) ==
          "c.yaml:1:1: unknown key 'ruoter'; did you mean 'router'?");
    CHECK(problems_of("router: {a: 1, a: 2}", {"router"}).find("duplicate key 'a'") != std::string::npos);
}

TEST_CASE("the number of problems shown is bounded") {
    std::string text;
    for (int i = 0; i < 150; ++i) text += "unheard_of_" + std::to_string(i) + ": 1\n";
    const std::string problems = problems_of(text);
    CHECK(std::count(problems.begin(), problems.end(), '\n') == 100);
    CHECK(problems.ends_with("c.yaml: 50 more problems"));
}

namespace {

struct Deadlines {
    std::chrono::milliseconds handler = 5s, drain = 20s;
    void describe(config::Binder& binder) {
        binder.field("handler_ms", handler, {1, 60'000}, "One batch.");
        binder.field("drain_ms", drain, {1, 60'000}, "All of them.");
        binder.require("drain_ms", drain > handler, "is not above handler_ms; raise it");
    }
};

struct Program {
    Deadlines deadlines;
    void describe(config::Binder& binder) { binder.section("deadlines", deadlines, "Limits."); }
};

std::string program_problems(const std::string& text) {
    Program program;
    try {
        config::load_text(program, text, "c.yaml");
        return {};
    } catch (const cartwright::outcome::StartupError& trouble) {
        return trouble.what();
    }
}

}  // namespace

TEST_CASE("what several fields must satisfy is reported where the named one stands") {
    CHECK(program_problems("deadlines:\n  handler_ms: 1\n  drain_ms: 2\n").empty());
    CHECK(program_problems("deadlines:\n  handler_ms: 3\n  drain_ms: 2\n") ==
          "c.yaml:3:3: deadlines.drain_ms is not above handler_ms; raise it");
    CHECK(program_problems("\ndeadlines:\n  handler_ms: 30000\n") ==
          "c.yaml:2:1: deadlines.drain_ms is not above handler_ms; raise it");
    // A consequence of another problem is not reported beside it.
    CHECK(program_problems("deadlines:\n  handler_ms: 30000\n  drain_ms: soon\n") ==
          "c.yaml:3:13: deadlines.drain_ms is 'soon'; write a whole number of milliseconds from 1 to 60000");
}

TEST_CASE("files") {
    Service service;
    CHECK_THROWS_WITH_AS(
        config::load(service, "/nonexistent/c.yaml"),
        "/nonexistent/c.yaml:1:1: the configuration cannot be read (No such file or directory); name "
        "a file that this user may read",
        cartwright::outcome::StartupError);
    CHECK_THROWS_AS(config::load(service, "/tmp"), cartwright::outcome::StartupError);

    char path[] = "/tmp/cartwright_config_XXXXXX";
    const int file = mkstemp(path);
    REQUIRE(file >= 0);
    close(file);
    std::ofstream(path) << "name: from a file\n";
    config::load(service, path);
    CHECK(service.name == "from a file");
    std::ofstream(path) << "name: " + std::string(config::file_bytes_max, 'x');
    CHECK_THROWS_WITH_AS(config::load(service, path), doctest::Contains("longer than 1048576 bytes"),
                         cartwright::outcome::StartupError);
    std::remove(path);
}
