#include "common/config/rules_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/config/config.hpp"
#include "tests/unit/config/rules_example.hpp"

using namespace cartwright;
using namespace cartwright::config;
using namespace rules_example;

namespace {

constexpr const char* whole = R"(
destinations:
  acme-api:
    url: https://orders.acme.example:8443/hook?x=1
    secrets: [env:RULES_TEST_SECRET]
    calls_max: 9
    connect_timeout_ms: 100
    total_timeout_ms: 2000
    ca_file: /etc/acme.pem
    fallback: {to: shared, after_ms: 60000}
  near:
    url: http://127.0.0.1:9000/
    secrets: [env:RULES_TEST_SECRET, env:RULES_TEST_SECRET]
    private_addresses: true
streams:
  - name: fragile
    match: {tag: [fragile], category: [glass, china-*], currency: BRL, value_minor: {from: 100, to: 200}}
    stream: careful
  - {name: rest, match: {seller: s1}, stream: other}
deliveries:
  - name: acme
    match: {seller: acme, stream: [main, careful]}
    to: acme-api
  - {name: all, to: own}
examples:
  - name: glass
    given: {seller: acme, region: north, tags: [fragile], channel: web, currency: BRL, value_minor: 150,
            lines: [{sku: mug, category: china-1, warehouse: main}]}
    expect: {stream: careful, stream_rule: fragile, destination: acme-api, delivery_rule: acme}
)";

std::string changed(const std::string& from, const std::string& to) {
    std::string text = whole;
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
    return text;
}

/// A folder for a test, removed with what is in it.
struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("rules-" + std::to_string(getpid()));
    Folder() {
        std::filesystem::remove_all(path);
        std::filesystem::create_directories(path);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    void write(const std::string& name, const std::string& text) const { std::ofstream(path / name) << text; }
};

}  // namespace

TEST_CASE("everything that rules can say is read") {
    const auto loaded = load({whole});
    CHECK(loaded.problems == Lines{});
    const auto& acme = loaded.rules.destinations.at("acme-api");
    CHECK(acme.kind == routing::Destination::Kind::endpoint);
    CHECK(acme.endpoint.url == "https://orders.acme.example:8443/hook?x=1");
    CHECK(acme.endpoint.secrets == Lines{"the key"});
    CHECK(acme.endpoint.calls_max == 9);
    CHECK(acme.endpoint.connect_timeout.count() == 100);
    CHECK(acme.endpoint.total_timeout.count() == 2000);
    CHECK(acme.endpoint.ca_file == "/etc/acme.pem");
    CHECK(acme.fallback->to == "shared");
    CHECK(acme.fallback->after.count() == 60'000);
    CHECK(loaded.rules.destinations.at("near").endpoint.private_addresses);
    CHECK(loaded.rules.destinations.at("near").endpoint.secrets.size() == 2);
    REQUIRE(loaded.rules.streams.size() == 2);
    const auto& match = loaded.rules.streams[0].match;
    CHECK(match.category == std::vector<routing::Pattern>{{"glass", false}, {"china-", true}});
    CHECK(match.value_minor_from == 100);
    CHECK(match.value_minor_to == 200);
    CHECK(loaded.rules.streams[1].match.seller == std::vector<routing::Pattern>{{"s1", false}});
    REQUIRE(loaded.examples.size() == 1);
    CHECK(failed_examples(routing::Rules(loaded.rules), loaded.examples) == Lines{});
}

TEST_CASE("files make one rule set, in their order") {
    const auto loaded =
        load({"streams: [{name: a, match: {tag: x}, stream: a}]", "",
              "streams: [{name: c, match: {region: x}, stream: c}]\ndeliveries: [{name: d, to: api}]",
              "destinations: {api: {url: 'https://a.example/', secrets: ['env:RULES_TEST_SECRET']}}\n"
              "streams:\ndeliveries: ~"});
    CHECK(loaded.problems == Lines{});
    REQUIRE(loaded.rules.streams.size() == 2);
    CHECK(loaded.rules.streams[0].name == "a");
    CHECK(loaded.rules.streams[1].name == "c");
    CHECK(loaded.rules.deliveries.at(0).destination == "api");
}

TEST_CASE("who only asks where messages go needs no secrets") {
    const auto* text = "destinations: {api: {url: 'https://a.example/', secrets: ['env:RULES_TEST_NONE']}}\n";
    CHECK(load({text}).problems.size() == 1);
    const auto loaded = load({text}, Secrets::skip);
    CHECK(loaded.problems == Lines{});
    CHECK(loaded.rules.destinations.at("api").endpoint.secrets.empty());
}

TEST_CASE("an example that goes elsewhere says all that differs, and where it stands") {
    const auto loaded =
        load({"streams: [{name: a, match: {region: north}, stream: x}]\n"
              "examples:\n"
              "  - name: one\n    given: {seller: s, region: south}\n"
              "    expect: {stream: x, stream_rule: a, destination: own, delivery_rule: default}\n"
              "  - {name: two, given: {region: north}, expect: {stream: x}}\n"
              "  - {name: three, given: {region: north}, expect: {delivery_rule: b}}\n"});
    CHECK(loaded.problems == Lines{});
    CHECK(failed_examples(routing::Rules(loaded.rules), loaded.examples) ==
          Lines{"a.yaml:3:5: example 'one': expected stream x, not main, expected stream_rule a, not "
                "default, expected destination own, not shared",
                "a.yaml:7:5: example 'three': expected delivery_rule b, not default"});
}

TEST_CASE("a message alone, in YAML or JSON") {
    const auto read =
        read_given({"m.json",
                    R"({"seller": "acme", "region": "north", "tags": ["a", "b"], "channel": "web",
                        "currency": "BRL", "value_minor": 12,
                        "lines": [{"sku": "mug", "category": "china"}, {"warehouse": "main"}]})",
                    {}});
    const auto* given = std::get_if<RulesExample>(&read);
    REQUIRE(given != nullptr);
    CHECK(given->seller == "acme");
    CHECK(given->tags == Lines{"a", "b"});
    CHECK(given->value_minor == 12);
    CHECK(given->skus == Lines{"mug"});
    CHECK(given->categories == Lines{"china"});
    CHECK(given->warehouses == Lines{"main"});
    const auto wrong = read_given({"m.json", "{\"sellr\": 1,\n \"value_minor\": \"2\"}", {}});
    CHECK(std::get<Lines>(wrong) == Lines{"m.json:1:2: given has no key 'sellr'; did you mean seller?",
                                          "m.json:2:17: value_minor is to be a whole number from 0 to "
                                          "9223372036854775807"});
    CHECK(std::holds_alternative<Lines>(read_given({"m.json", "[]", {}})));
    CHECK(std::holds_alternative<Lines>(read_given({"m.json", "", {}})));
}

TEST_CASE("the version is that of what decides where messages go, and how") {
    const auto version = [](const Lines& texts) { return load(texts).rules.version; };
    const auto first = version({whole});
    CHECK(first.size() == 16);
    CHECK(first.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(version({std::string("# a comment\n") + whole}) == first);
    CHECK(version({"", whole}) == first);
    CHECK(version({changed("secrets: [env:RULES_TEST_SECRET]", "secrets: [env:RULES_TEST_SECRET, env:HOME]")})
              .size() == 16);
    CHECK(version({changed("name: glass", "name: other")}) == first);
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"9000", "9001"},
             {"calls_max: 9", "calls_max: 8"},
             {"connect_timeout_ms: 100", "connect_timeout_ms: 101"},
             {"total_timeout_ms: 2000", "total_timeout_ms: 2001"},
             {"/etc/acme.pem", "/etc/other.pem"},
             {"to: shared, after", "to: own, after"},
             {"after_ms: 60000", "after_ms: 60001"},
             {"    private_addresses: true\n", ""},
             {"name: fragile", "name: fragil"},
             {"china-*", "china-"},
             {"tag: [fragile]", "sku: [fragile]"},
             {"from: 100, to: 200", "from: 100"},
             {"stream: other", "stream: others"},
             {"to: acme-api", "to: near"},
             {"{name: all, to: own}", "{name: all, to: shared}"}})
        CHECK_MESSAGE(version({changed(from, to)}) != first, from);
    CHECK(version({}) == version({"", "# nothing"}));
    CHECK(version({"streams: [{name: a, match: {seller: x}, stream: x}, {name: b, match: {region: y}, "
                   "stream: x}]"}) != version({"streams: [{name: b, match: {region: y}, stream: x}, {name: "
                                               "a, match: {seller: x}, stream: x}]"}));
}

TEST_CASE("secrets rotate under one version") {
    const auto first = load({whole});
    const auto secret = [](const LoadedRules& loaded) {
        return loaded.rules.destinations.at("acme-api").endpoint.secrets.at(0);
    };
    const Folder here;
    here.write("secret", "whsec_another\r\n");
    const auto other =
        load({changed("[env:RULES_TEST_SECRET]", "['file:" + (here.path / "secret").string() + "']")});
    CHECK(other.problems == Lines{});
    CHECK(secret(first) == "the key");
    CHECK(secret(other) == "another");
    CHECK(other.rules.version == first.rules.version);
}

TEST_CASE("a directory is read in order of its files' names") {
    const Folder here;
    std::filesystem::create_directories(here.path / "..data");
    here.write("20.yaml", "b");
    here.write("10.yaml", "a");
    here.write("notes.txt", "x");
    here.write(".hidden.yaml", "x");
    const auto read = read_rules_directory(here.path.string());
    const auto* texts = std::get_if<std::vector<RulesText>>(&read);
    REQUIRE(texts != nullptr);
    REQUIRE(texts->size() == 2);
    CHECK((*texts)[0].text == "a");
    CHECK((*texts)[1].file_name == (here.path / "20.yaml").string());
    const auto gone = read_rules_directory((here.path / "none").string());
    REQUIRE(std::holds_alternative<std::string>(gone));
    CHECK(std::get<std::string>(gone) ==
          (here.path / "none").string() + ": the rules can't be read: No such file or directory");
}

TEST_CASE("a file that can't be read is a problem like others, and nobody waits for a pipe") {
    const Folder here;
    const auto name = [&](const char* file) { return (here.path / file).string(); };
    std::filesystem::create_directories(here.path / "a.yaml");
    REQUIRE(mkfifo(name("b.yaml").c_str(), 0600) == 0);
    std::filesystem::create_symlink("nowhere", here.path / "c.yaml");
    here.write("d.yaml", std::string(file_bytes_max + 1, '#'));
    here.write("e.yaml", "streams: 1");
    const auto texts = std::get<std::vector<RulesText>>(read_rules_directory(here.path.string()));
    CHECK(load_rules(texts, key).problems ==
          Lines{name("a.yaml") + ":1:1: it can't be read: it is no regular file; mend it or take it away",
                name("b.yaml") + ":1:1: it can't be read: it is no regular file; mend it or take it away",
                name("c.yaml") + ":1:1: it can't be read: No such file or directory; mend it or take it away",
                name("d.yaml") + ":1:1: it can't be read: longer than 1048576 bytes; mend it or take it away",
                name("e.yaml") + ":1:10: streams is to be a list"});
}

TEST_CASE("so many files, and so many bytes, are no rules any more") {
    const Folder here;
    for (std::size_t i = 0; i <= rules_files_max; ++i) here.write(std::to_string(i) + ".yaml", "");
    CHECK(std::get<std::string>(read_rules_directory(here.path.string())) ==
          here.path.string() + ": there are more than 1000 rule files; put several into one");
    for (std::size_t i = 17; i <= rules_files_max; ++i)
        std::filesystem::remove(here.path / (std::to_string(i) + ".yaml"));
    for (std::size_t i = 0; i < 17; ++i) here.write(std::to_string(i) + ".yaml", std::string(1'000'000, '#'));
    CHECK(std::get<std::string>(read_rules_directory(here.path.string())) ==
          here.path.string() + ": the rules are longer than 16777216 bytes together; take some away");
}

TEST_CASE("ten thousand of each kind are read, and one more is refused, over all files") {
    const auto many = [](const std::string& head, const std::string& begin, const std::string& end,
                         int count) {
        std::string text = head + "\n";
        for (int i = 0; i < count; ++i) {
            const auto number = std::to_string(i);
            text += begin + number + end.substr(0, end.find('#'));
            if (end.find('#') != std::string::npos) text += number + end.substr(end.find('#') + 1);
            text += "\n";
        }
        return text;
    };
    const auto streams = many("streams:", "- {name: r", ", match: {seller: s#}, stream: x}", 10'000);
    const auto deliveries = many("deliveries:", "- {name: r", ", match: {seller: s#}, to: own}", 10'000);
    const auto examples = many("examples:", "- {name: r", ", given: {}, expect: {stream: main}}", 10'000);
    std::vector<std::string> destinations;
    for (int i = 0; i < 10; ++i)
        destinations.push_back(many("destinations:", "  d" + std::to_string(i) + "-",
                                    ": {url: 'https://a.example', secrets: ['env:RULES_TEST_SECRET']}",
                                    1'000));
    Lines texts{streams, deliveries, examples};
    texts.insert(texts.end(), destinations.begin(), destinations.end());
    CHECK(problems(texts) == Lines{});
    CHECK(problems(
              {streams, "streams:\n- {name: a, match: {seller: a}, stream: x}\n- {name: b, stream: x}\n"}) ==
          Lines{"b.yaml:2:3: there are more than 10000 stream rules; take some away"});
    CHECK(problems({deliveries, "deliveries: [{name: a, match: {seller: a}, to: own}]"}) ==
          Lines{"b.yaml:1:14: there are more than 10000 delivery rules; take some away"});
    CHECK(problems({examples, "examples: [{}]"}) ==
          Lines{"b.yaml:1:12: there are more than 10000 examples; take some away"});
    destinations.push_back("destinations: {more: {}}");
    CHECK(problems(destinations) ==
          Lines{"k.yaml:1:16: there are more than 10000 destinations; take some away"});
}
