#include "common/config/rules_file.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/config/config.hpp"

using namespace cartwright;
using namespace cartwright::config;

namespace {

std::optional<std::string> key(std::string_view secret) {
    if (!secret.starts_with("whsec_")) return std::nullopt;
    return std::string(secret.substr(6));
}

LoadedRules load(const std::vector<std::string>& texts) {
    std::vector<RulesText> files;
    for (const auto& text : texts)
        files.push_back({std::string(1, static_cast<char>('a' + files.size())) + ".yaml", text});
    return load_rules(files, key);
}

std::vector<std::string> problems(const std::vector<std::string>& texts) {
    return load(texts).problems;
}

using Lines = std::vector<std::string>;

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

}  // namespace

TEST_CASE("everything that rules can say is read") {
    setenv("RULES_TEST_SECRET", "whsec_the key", 1);
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

TEST_CASE("an example that goes elsewhere says where, and where it stands") {
    const auto loaded =
        load({"streams: [{name: a, match: {region: north}, stream: x}]\n"
              "examples:\n"
              "  - name: one\n    given: {seller: s, region: south}\n"
              "    expect: {stream: x, stream_rule: a, destination: own, delivery_rule: default}\n"});
    CHECK(loaded.problems == Lines{});
    CHECK(failed_examples(routing::Rules(loaded.rules), loaded.examples) ==
          Lines{"a.yaml:3:5: example \"one\": expected stream x, not main",
                "a.yaml:3:5: example \"one\": expected stream rule a, not default",
                "a.yaml:3:5: example \"one\": expected destination own, not shared"});
}

TEST_CASE("each kind of mistake has its place") {
    CHECK(problems({"stream: []"}) ==
          Lines{"a.yaml:1:1: a rule file has no key 'stream'; did you mean streams?"});
    CHECK(problems({"streams: {}"}) == Lines{"a.yaml:1:10: streams is to be a list"});
    CHECK(problems({"streams: [{name: a, stream: x, stream: y}]"}).at(0).starts_with("a.yaml:1:32: "));
    CHECK(problems({"streams:\n  - {name: a, macht: {}, stream: x}"}) ==
          Lines{"a.yaml:2:15: a stream rule has no key 'macht'; did you mean match?"});
    CHECK(problems({"streams: [{name: A_b, stream: x}]"}) ==
          Lines{"a.yaml:1:18: a rule's name is to be of a to z, 0 to 9 and -"});
    CHECK(problems({"streams: [{match: {seller: a}}]"}) ==
          Lines{"a.yaml:1:11: a stream rule needs a stream", "a.yaml:1:11: a stream rule needs a name"});
    CHECK(problems({"streams: [{name: a, stream: x, match: {seller: []}}]"}) ==
          Lines{"a.yaml:1:48: seller is an empty list, which nothing would match; leave it out"});
    CHECK(problems({"streams: [{name: a, stream: x, match: {sku: 'a*b'}}]"}) ==
          Lines{"a.yaml:1:45: 'a*b': * may stand at the end only"});
    CHECK(problems({"streams: [{name: a, stream: x, match: {stream: y}}]"})
              .at(0)
              .starts_with("a.yaml:1:40: match has no key"));
    CHECK(problems({"streams: [{name: a, stream: x, match: {value_minor: {from: 1}}}]"}) ==
          Lines{"a.yaml:1:39: value_minor needs `currency` beside it: an amount is of a currency"});
    CHECK(problems(
              {"streams: [{name: a, stream: x, match: {currency: BRL, value_minor: {from: 9, to: 1}}}]"}) ==
          Lines{"a.yaml:1:68: `from` is above `to`: nothing would match"});
    CHECK(problems({"streams: [{name: a, stream: x, match: {currency: BRL, value_minor: {from: '9'}}}]"})
              .at(0) == "a.yaml:1:75: from is to be a whole number from 0 to 9223372036854775807");
    CHECK(problems({"deliveries: [{name: a, to: nowhere}]"}) ==
          Lines{"a.yaml:1:28: there is no destination 'nowhere'; `shared`, `own` and those under "
                "`destinations` are"});
    CHECK(problems({"deliveries: [{name: a, match: {region: x}, to: own}]"}).at(0) ==
          "a.yaml:1:32: match has no key 'region'; it may have seller, stream");
    CHECK(problems({"streams: &x []\nexamples: *x"}).size() == 2);
    CHECK(problems({"streams: []\n---\nstreams: []"}).at(0).find("second document") != std::string::npos);
    CHECK(problems({"streams: [{name: \"\xff\", stream: x}]"}).at(0).starts_with("a.yaml:1:"));
    std::string deep = "streams: ";
    for (int i = 0; i < 100; ++i) deep += '[';
    CHECK_FALSE(problems({deep}).empty());
    CHECK(problems({std::string(file_bytes_max + 1, '#')}).at(0).find("split it") != std::string::npos);
}

TEST_CASE("destinations are checked, and secrets never shown") {
    const auto of = [](const std::string& more) {
        return problems({"destinations:\n  api: {" + more + "}\n"});
    };
    setenv("RULES_TEST_SECRET", "whsec_k", 1);
    setenv("RULES_TEST_BAD", "hunter2", 1);
    const std::string good = "url: https://a.example/, secrets: [env:RULES_TEST_SECRET]";
    CHECK(of(good) == Lines{});
    CHECK(of("secrets: [env:RULES_TEST_SECRET]") == Lines{"a.yaml:2:3: a destination needs a url"});
    CHECK(of("url: https://a.example/") ==
          Lines{"a.yaml:2:3: a destination needs secrets, so that its receiver knows who calls"});
    CHECK(of("url: http://a.example/, secrets: [env:RULES_TEST_SECRET]") ==
          Lines{"a.yaml:2:3: its url is to begin with https:// (http:// needs private_addresses: true)"});
    for (const auto* url :
         {"https://", "https://u:p@a.example/", "ftp://a/", "https://a.example:0/", "https://a b/",
          "'https://a.example/#x'", "https://a.example:99999/", "a.example"})
        CHECK_MESSAGE(of("url: " + std::string(url) + ", secrets: [env:RULES_TEST_SECRET]").size() == 1, url);
    const auto bad =
        of("url: https://a.example/, secrets: [env:RULES_TEST_BAD, env:RULES_TEST_NONE, text, file:/none]");
    REQUIRE(bad.size() == 4);
    CHECK(bad[0] ==
          "a.yaml:2:44: env:RULES_TEST_BAD holds no secret: whsec_ and the base64 of 24 to 64 bytes");
    CHECK(bad[1] == "a.yaml:2:64: the environment has no RULES_TEST_NONE");
    CHECK(bad[2] == "a.yaml:2:85: a secret is named by where it is: env:NAME or file:PATH");
    CHECK(bad[3] == "a.yaml:2:91: /none can't be read: No such file or directory");
    CHECK(of(good + ", calls_max: 0").at(0).find("from 1 to 64") != std::string::npos);
    CHECK(of(good + ", fallback: {to: shared}").at(0).find("after_ms") != std::string::npos);
    CHECK(of(good + ", fallback: {to: lost, after_ms: 1}").at(0).find("no destination 'lost'") !=
          std::string::npos);
    CHECK(problems({"destinations: {shared: {" + good + "}}"}) ==
          Lines{"a.yaml:1:16: shared is there always; give this one another name"});
}

TEST_CASE("fallbacks that go in a circle") {
    setenv("RULES_TEST_SECRET", "whsec_k", 1);
    const std::string rest = "url: https://a.example/, secrets: [env:RULES_TEST_SECRET], fallback: ";
    const auto found = problems({"destinations:\n  a: {" + rest + "{to: b, after_ms: 1}}\n  b: {" + rest +
                                 "{to: c, after_ms: 1}}\n  c: {" + rest + "{to: b, after_ms: 1}}\n  d: {" +
                                 rest + "{to: own, after_ms: 1}}\n"});
    CHECK(found == Lines{"a.yaml:4:76: fallbacks go in a circle: c leads back to b"});
}

TEST_CASE("names are unique across files, and a rule that is never reached says because of which") {
    CHECK(problems({"streams: [{name: a, match: {seller: x}, stream: s}]",
                    "streams: [{name: a, match: {seller: y}, stream: s}]"}) ==
          Lines{"b.yaml:1:18: there is a stream rule a at a.yaml:1:18 already"});
    CHECK(
        problems({"streams:\n- {name: a, match: {seller: [x, y]}, stream: s}",
                  "streams:\n- {name: b, match: {seller: y, region: z}, stream: t}\n- {name: c, stream: u}\n"
                  "- {name: d, match: {seller: q}, stream: t}"}) ==
        Lines{"b.yaml:2:3: rule b is never reached: rule a at a.yaml:2:3 matches all that it does",
              "b.yaml:4:3: rule d is never reached: rule c at b.yaml:3:3 matches all that it does"});
}

TEST_CASE("all problems come at once, file by file") {
    const auto found = problems({"streams: 5\ndeliveries: 6", "destinations: 7"});
    CHECK(found == Lines{"a.yaml:1:10: streams is to be a list", "a.yaml:2:13: deliveries is to be a list",
                         "b.yaml:1:15: destinations is to be a mapping"});
}

TEST_CASE("the version is that of the content") {
    setenv("RULES_TEST_SECRET", "whsec_k", 1);
    const auto version = [](const std::vector<std::string>& texts) { return load(texts).rules.version; };
    const auto first = version({whole});
    CHECK(first.size() == 16);
    CHECK(version({std::string("# a comment\n") + whole}) == first);
    setenv("RULES_TEST_SECRET", "whsec_other", 1);
    CHECK(version({whole}) == first);
    std::string other = whole;
    other.replace(other.find("9000"), 4, "9001");
    CHECK(version({other}) != first);
    CHECK(version({"streams: [{name: a, stream: x}]"}) != version({"streams: [{name: a, stream: y}]"}));
    CHECK(version({}) == version({"", "# nothing"}));
    CHECK(version({"streams: [{name: a, match: {seller: x}, stream: x}, {name: b, match: {region: y}, "
                   "stream: x}]"}) != version({"streams: [{name: b, match: {region: y}, stream: x}, {name: "
                                               "a, match: {seller: x}, stream: x}]"}));
}

TEST_CASE("a directory is read in order of its files' names") {
    namespace files = std::filesystem;
    const auto folder = files::temp_directory_path() / ("rules-" + std::to_string(getpid()));
    files::create_directories(folder / "..data");
    const auto write = [&](const std::string& name, const std::string& text) {
        std::ofstream(folder / name) << text;
    };
    write("20.yaml", "b");
    write("10.yaml", "a");
    write("notes.txt", "x");
    write(".hidden.yaml", "x");
    const auto read = read_rules_directory(folder.string());
    const auto* texts = std::get_if<std::vector<RulesText>>(&read);
    REQUIRE(texts != nullptr);
    REQUIRE(texts->size() == 2);
    CHECK((*texts)[0].text == "a");
    CHECK((*texts)[1].file_name == (folder / "20.yaml").string());
    files::remove_all(folder);
    CHECK(std::holds_alternative<std::string>(read_rules_directory(folder.string())));
}

TEST_CASE("ten thousand rules are read in a moment, and one more is refused") {
    std::string text = "streams:\n";
    for (int i = 0; i < 10'000; ++i)
        text +=
            "- {name: r" + std::to_string(i) + ", match: {seller: s" + std::to_string(i) + "}, stream: x}\n";
    CHECK(problems({text}) == Lines{});
    CHECK(problems({text + "- {name: r, match: {seller: s}, stream: x}\n"}).at(0).find("at most 10000") !=
          std::string::npos);
}
