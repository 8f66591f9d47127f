// Every kind of mistake in rules, where it stands and what is said about it.
#include <doctest/doctest.h>

#include <random>

#include "common/config/config.hpp"
#include "tests/unit/config/rules_example.hpp"

using namespace cartwright;
using namespace cartwright::config;
using namespace rules_example;

namespace {

/// Problems of one destination, `api`, on line 2 from column 9 on.
Lines of_destination(const std::string& more) {
    return problems({"destinations:\n  api: {" + more + "}\n"});
}

const std::string whole_destination = "url: https://a.example/, secrets: [env:RULES_TEST_SECRET]";

/// Problems of a stream rule's match, which begins in column 40.
Lines of_match(const std::string& match) {
    return problems({"streams: [{name: a, stream: x, match: {" + match + "}}]"});
}

}  // namespace

TEST_CASE("keys that there are not") {
    CHECK(problems({"stream: []"}) ==
          Lines{"a.yaml:1:1: a rule file has no key 'stream'; did you mean streams?"});
    CHECK(problems({"rules: []"}) ==
          Lines{"a.yaml:1:1: a rule file has no key 'rules'; it may have destinations, streams, deliveries, "
                "examples"});
    CHECK(problems({"streams:\n  - {name: a, macht: {}, stream: x}"}) ==
          Lines{"a.yaml:2:15: a stream rule has no key 'macht'; did you mean match?"});
    CHECK(problems({"deliveries:\n  - {name: a, stream: {}, to: own}"}) ==
          Lines{"a.yaml:2:15: a delivery rule has no key 'stream'; it may have name, match, to"});
    CHECK(of_match("stream: y") ==
          Lines{"a.yaml:1:40: match has no key 'stream'; it may have seller, region, tag, channel, currency, "
                "value_minor, sku, category, warehouse"});
    CHECK(of_match("currency: BRL, value_minor: {form: 1}") ==
          Lines{"a.yaml:1:69: value_minor has no key 'form'; did you mean from?"});
    CHECK(problems({"deliveries: [{name: a, match: {region: x}, to: own}]"}) ==
          Lines{"a.yaml:1:32: match has no key 'region'; it may have seller, stream"});
    CHECK(of_destination(whole_destination + ", retries: 1") ==
          Lines{"a.yaml:2:68: a destination has no key 'retries'; it may have url, secrets, calls_max, "
                "connect_timeout_ms, total_timeout_ms, ca_file, private_addresses, fallback"});
    CHECK(of_destination(whole_destination + ", fallback: {to: own, after: 1, after_ms: 1}") ==
          Lines{"a.yaml:2:88: fallback has no key 'after'; it may have to, after_ms"});
    CHECK(problems({"examples:\n"
                    "  - name: a\n"
                    "    given: {tag: x, lines: [{colour: red}]}\n"
                    "    expect: {rule: y}\n"
                    "    because: z\n"}) ==
          Lines{"a.yaml:3:13: given has no key 'tag'; did you mean tags?",
                "a.yaml:3:30: a line has no key 'colour'; it may have sku, category, warehouse",
                "a.yaml:4:14: expect has no key 'rule'; it may have stream, destination, stream_rule, "
                "delivery_rule",
                "a.yaml:5:5: an example has no key 'because'; it may have name, given, expect"});
}

TEST_CASE("what is of another kind than it should be") {
    CHECK(problems({"just text"}) == Lines{"a.yaml:1:1: a rule file is to be a mapping"});
    CHECK(problems({"streams: {}"}) == Lines{"a.yaml:1:10: streams is to be a list"});
    CHECK(problems({"destinations: []"}) == Lines{"a.yaml:1:15: destinations is to be a mapping"});
    CHECK(problems({"streams: [a]"}) == Lines{"a.yaml:1:11: a stream rule is to be a mapping"});
    CHECK(problems({"deliveries: [a]"}) == Lines{"a.yaml:1:14: a delivery rule is to be a mapping"});
    CHECK(problems({"destinations: {a: b}"}) == Lines{"a.yaml:1:19: a destination is to be a mapping"});
    CHECK(problems({"streams: [{name: a, stream: x, match: }]"}) ==
          Lines{"a.yaml:1:39: match is to be a mapping"});
    CHECK(problems({"streams: [{name: [a], stream: x}]"}) ==
          Lines{"a.yaml:1:18: a rule's name is to be a text of 1 to 64 bytes"});
    CHECK(of_match("seller: {a: b}") == Lines{"a.yaml:1:48: seller is to be a text or a list of texts"});
    CHECK(of_match("seller: [[a]]") == Lines{"a.yaml:1:49: seller is to be a text of 1 to 200 bytes"});
    CHECK(of_match("seller: \"a\\u0007\"") == Lines{"a.yaml:1:48: seller is to have no control characters"});
    CHECK(of_match("seller: []") ==
          Lines{"a.yaml:1:48: seller is an empty list, which nothing would match; leave it out"});
    CHECK(of_match("currency: BRL, value_minor: 5") == Lines{"a.yaml:1:68: value_minor is to be a mapping"});
    for (const auto* number : {"'9'", "-1", "1.5", "ten", "9223372036854775808", "1_000"})
        CHECK(of_match("currency: BRL, value_minor: {to: " + std::string(number) + "}") ==
              Lines{"a.yaml:1:73: to is to be a whole number from 0 to 9223372036854775807"});
    CHECK(of_destination(whole_destination + ", private_addresses: yes") ==
          Lines{"a.yaml:2:87: private_addresses is to be true or false"});
    CHECK(of_destination(whole_destination + ", calls_max: 65") ==
          Lines{"a.yaml:2:79: calls_max is to be a whole number from 1 to 64"});
    CHECK(of_destination(whole_destination + ", connect_timeout_ms: 0") ==
          Lines{"a.yaml:2:88: connect_timeout_ms is to be a whole number from 1 to 30000"});
    CHECK(of_destination(whole_destination + ", total_timeout_ms: 60001") ==
          Lines{"a.yaml:2:86: total_timeout_ms is to be a whole number from 1 to 60000"});
    CHECK(of_destination(whole_destination + ", ca_file: []") ==
          Lines{"a.yaml:2:77: ca_file is to be a text of 1 to 1000 bytes"});
    CHECK(of_destination("url: https://a.example/, secrets: env:RULES_TEST_SECRET") ==
          Lines{"a.yaml:2:43: secrets is to be a list"});
    CHECK(problems({"examples: [{name: a, given: [], expect: x}]"}) ==
          Lines{"a.yaml:1:29: given is to be a mapping", "a.yaml:1:41: expect is to be a mapping"});
}

TEST_CASE("rules that are not whole, or would match nothing") {
    CHECK(problems({"streams: [{match: {seller: a}}]"}) ==
          Lines{"a.yaml:1:11: a stream rule has no name; give it one",
                "a.yaml:1:11: a stream rule names no stream; say which, `stream: …`"});
    CHECK(problems({"deliveries: [{match: {seller: a}}]"}) ==
          Lines{"a.yaml:1:14: a delivery rule has no name; give it one",
                "a.yaml:1:14: a delivery rule names no destination; say which, `to: …`"});
    CHECK(problems({"streams: [{name: A_b, stream: x y}]"}) ==
          Lines{"a.yaml:1:18: a rule's name is 'A_b'; write it with a to z, 0 to 9 and - alone",
                "a.yaml:1:31: a stream's name is 'x y'; write it with a to z, 0 to 9 and - alone"});
    CHECK(problems({"streams: [{name: " + std::string(65, 'a') + ", stream: x}]"}) ==
          Lines{"a.yaml:1:18: a rule's name is to be a text of 1 to 64 bytes"});
    CHECK(problems({"streams: [{name: default, stream: x}]"}) ==
          Lines{"a.yaml:1:18: no rule may be called default: examples say so when no rule matches; name it "
                "after what it does"});
    CHECK(of_match("sku: 'a*b'") ==
          Lines{"a.yaml:1:45: 'a*b' has a * before its end; it may stand at the end only"});
    CHECK(of_match("value_minor: {from: 1}") ==
          Lines{"a.yaml:1:39: value_minor needs `currency` beside it; an amount is one of a currency"});
    CHECK(of_match("currency: BRL, value_minor: {}") ==
          Lines{"a.yaml:1:68: value_minor is empty; give it `from`, `to` or both"});
    CHECK(of_match("currency: BRL, value_minor: {from: 9, to: 1}") ==
          Lines{"a.yaml:1:68: `from` is above `to`, so that nothing would match; swap them"});
    std::string texts = "sku: [a";
    for (std::size_t i = 0; i < list_items_max; ++i) texts += ", a";
    CHECK(of_match(texts + "]") == Lines{"a.yaml:1:45: sku has 1001 items; at most 1000 are taken"});
    CHECK(problems({"examples:\n- {name: a}\n- {name: b, given: {}, expect: {}}"}) ==
          Lines{"a.yaml:2:3: an example is not whole; it has a name, what is given, and what to expect",
                "a.yaml:3:32: expect is empty; say which stream, destination, stream_rule or delivery_rule"});
}

TEST_CASE("names that are there already") {
    CHECK(problems({"streams: [{name: a, stream: x, stream: y}]"}) ==
          Lines{"a.yaml:1:32: duplicate key 'stream', first on line 1; keep one"});
    CHECK(problems({"destinations:\n  a: {" + whole_destination + "}\n  a: {" + whole_destination + "}"}) ==
          Lines{"a.yaml:3:3: duplicate key 'a', first on line 2; keep one"});
    CHECK(problems({"streams: [{name: a, match: {seller: x}, stream: s}]",
                    "streams: [{name: a, match: {seller: y}, stream: s}]"}) ==
          Lines{"b.yaml:1:18: there is a stream rule a at a.yaml:1:18 already; give this one another name"});
    CHECK(
        problems({"deliveries:\n- {name: a, match: {seller: x}, to: own}\n"
                  "- {name: a, match: {seller: y}, to: own}"}) ==
        Lines{"a.yaml:3:10: there is a delivery rule a at a.yaml:2:10 already; give this one another name"});
    CHECK(problems({"destinations: {a: {" + whole_destination + "}}",
                    "destinations: {a: {" + whole_destination + "}}"}) ==
          Lines{"b.yaml:1:16: there is a destination a at a.yaml:1:16 already; give this one another name"});
    CHECK(problems({"streams: [{name: a, stream: x}]\ndeliveries: [{name: a, to: own}]"}) == Lines{});
    CHECK(problems({"destinations: {shared: {" + whole_destination + "}, own: {" + whole_destination +
                    "}}"}) == Lines{"a.yaml:1:16: shared is there always; give this one another name",
                                    "a.yaml:1:85: own is there always; give this one another name"});
}

TEST_CASE("destinations that there are not") {
    CHECK(problems({"deliveries: [{name: a, to: nowhere}]"}) ==
          Lines{"a.yaml:1:28: there is no destination 'nowhere'; write shared, own, or one that stands under "
                "`destinations`"});
    CHECK(problems({"deliveries: [{name: a, to: shred}]"}) ==
          Lines{"a.yaml:1:28: there is no destination 'shred'; did you mean shared?"});
    CHECK(of_destination(whole_destination + ", fallback: {to: apis, after_ms: 1}") ==
          Lines{"a.yaml:2:83: there is no destination 'apis'; did you mean api?"});
    CHECK(of_destination(whole_destination + ", fallback: {to: shared}") ==
          Lines{"a.yaml:2:78: a fallback is not whole; it has `to`, a destination, and `after_ms`, a time"});
}

TEST_CASE("a rule that is never reached says because of which") {
    CHECK(problems({"streams:\n- {name: a, match: {seller: [x, y]}, stream: s}",
                    "streams:\n- {name: b, match: {seller: y, region: z}, stream: t}\n"
                    "- {name: c, stream: u}\n- {name: d, match: {seller: q}, stream: t}"}) ==
          Lines{"b.yaml:2:3: rule b is never reached: rule a at a.yaml:2:3 matches all that it does; put "
                "this one before it or take it away",
                "b.yaml:4:3: rule d is never reached: rule c at b.yaml:3:3 matches all that it does; put "
                "this one before it or take it away"});
    CHECK(problems({"deliveries:\n- {name: a, match: {seller: x*}, to: own}\n"
                    "- {name: b, match: {seller: xy, stream: main}, to: shared}"}) ==
          Lines{"a.yaml:3:3: rule b is never reached: rule a at a.yaml:2:3 matches all that it does; put "
                "this one before it or take it away"});
}

TEST_CASE("fallbacks that go in a circle are told once") {
    const auto destination = [](const std::string& name, const std::string& to) {
        return "  " + name + ": {" + whole_destination + ", fallback: {to: " + to + ", after_ms: 1}}\n";
    };
    CHECK(problems({"destinations:\n" + destination("a", "b") + destination("b", "c") +
                    destination("c", "b") + destination("d", "own") + destination("e", "c")}) ==
          Lines{"a.yaml:4:76: fallbacks go in a circle: c leads back to b; leave one of them out"});
    CHECK(problems({"destinations:\n" + destination("a", "a")}) ==
          Lines{"a.yaml:2:76: fallbacks go in a circle: a leads back to a; leave one of them out"});
    CHECK(problems({"destinations:\n" + destination("a", "b") + destination("b", "shared")}) == Lines{});
}

TEST_CASE("what YAML has and rules have not") {
    CHECK(problems({"streams: &x []\nexamples: *x"}) ==
          Lines{"a.yaml:1:10: anchors are not supported; remove '&x'",
                "a.yaml:2:11: aliases are not supported; write the value out"});
    CHECK(problems({"streams: !!seq []"}) ==
          Lines{"a.yaml:1:10: tags are not supported; remove 'tag:yaml.org,2002:seq'"});
    CHECK(problems({"streams: []\n---\nstreams: []"}) ==
          Lines{"a.yaml:2:1: a second document begins here; keep one document in a file"});
    CHECK(problems({"streams:\n- name: a\n  stream: b\n x: 3\n"}) ==
          Lines{"a.yaml:4:2: not YAML: end of sequence not found; correct the syntax"});
    CHECK(of_match("seller: *") ==
          Lines{"a.yaml:1:49: not YAML: alias not found after *; put a text that begins with * in quotes"});
    CHECK(of_match("seller: '*'") == Lines{});
    CHECK(problems({"streams: [] # \xff"}) ==
          Lines{"a.yaml:1:15: byte 0xff is not valid UTF-8; save the file as UTF-8 text"});
    CHECK(problems({"streams: [] # \x01"}) ==
          Lines{"a.yaml:1:15: byte 0x01 is a control character; save the file as UTF-8 text"});
    CHECK(problems({"\xff\xfes"}) == Lines{"a.yaml:1:1: the file is UTF-16; save it as UTF-8 text"});
    const std::string deep = "streams: ";
    CHECK(problems({deep + std::string(20, '[') + std::string(20, ']')}) ==
          Lines{"a.yaml:1:25: nested too deep; at most 16 levels"});
    CHECK(problems({std::string(file_bytes_max + 1, '#')}) ==
          Lines{"a.yaml:1:1: it is longer than 1048576 bytes; split it"});
    CHECK(problems({std::string(file_bytes_max, '#')}) == Lines{});
}

TEST_CASE("addresses of endpoints") {
    CHECK(of_destination(whole_destination) == Lines{});
    CHECK(of_destination("secrets: [env:RULES_TEST_SECRET]") ==
          Lines{"a.yaml:2:3: a destination has no url; give it one, `url: https://…`"});
    CHECK(of_destination("url: http://a.example/, secrets: [env:RULES_TEST_SECRET]") ==
          Lines{"a.yaml:2:14: url is to begin with https:// (http:// needs private_addresses: true)"});
    CHECK(
        of_destination("url: http://a.example/, secrets: [env:RULES_TEST_SECRET], private_addresses: true") ==
        Lines{});
    const auto of_url = [](const std::string& url) {
        const auto found = of_destination("url: \"" + url + "\", secrets: [env:RULES_TEST_SECRET]");
        REQUIRE_MESSAGE(found.size() == 1, url);
        REQUIRE(found[0].starts_with("a.yaml:2:14: url "));
        return found[0].substr(17);
    };
    CHECK(of_url("ftp://a/") == "is to begin with https://");
    CHECK(of_url("a.example") == "is to begin with https://");
    CHECK(of_url("https://") == "names no host");
    CHECK(of_url("https:///path") == "names no host");
    CHECK(of_url("https://a_b/") == "names no host");
    CHECK(of_url("https://u:p@a.example/") ==
          "is to hold no user or password: secrets stand under `secrets`");
    CHECK(of_url("https://a.example/#x") == "is to have no fragment (#)");
    CHECK(of_url("https://a b/") == "is to be of printable ASCII; write the rest as %XX");
    CHECK(of_url("https://a.example:0/") == "has no port from 1 to 65535");
    CHECK(of_url("https://a.example:99999/") == "has no port from 1 to 65535");
    CHECK(of_url("https://a.example:/") == "has no port from 1 to 65535");
    CHECK(of_destination("url: 'https://[::1]:8443/x?y=a@b', secrets: [env:RULES_TEST_SECRET]") == Lines{});
}

TEST_CASE("secrets are told by where they are, and never shown") {
    setenv("RULES_TEST_BAD", "hunter2", 1);
    const auto bad = of_destination(
        "url: https://a.example/, secrets: [env:RULES_TEST_BAD, env:RULES_TEST_NONE, text, file:/none]");
    CHECK(
        bad ==
        Lines{
            "a.yaml:2:44: env:RULES_TEST_BAD holds no secret; one is whsec_ and the base64 of 24 to 64 bytes",
            "a.yaml:2:64: the environment has no RULES_TEST_NONE; set it, or name another",
            "a.yaml:2:85: a secret is named by where it is; write env:NAME or file:PATH",
            "a.yaml:2:91: /none can't be read: No such file or directory; put the secret there, or name "
            "another"});
    CHECK(of_destination("url: https://a.example/") ==
          Lines{"a.yaml:2:3: a destination has no secrets, by which its receiver knows who calls; give it "
                "one, `secrets: [env:NAME]`"});
    CHECK(of_destination("url: https://a.example/, secrets: []") ==
          Lines{"a.yaml:2:43: secrets is empty; name at least one"});
    const std::string one = "env:RULES_TEST_SECRET";
    CHECK(of_destination("url: https://a.example/, secrets: [" + one + "," + one + "," + one + "," + one +
                         "," + one + "]") == Lines{"a.yaml:2:43: secrets has 5 items; at most 4 are taken"});
    // Where somebody mistakes the secret for its place.
    for (const auto* text :
         {"whsec_hunter2", "env:whsec_hunter2", "file:whsec_hunter2", "{whsec_hunter2: x}"}) {
        const auto found = of_destination("url: https://a.example/, secrets: [" + std::string(text) + "]");
        REQUIRE(found.size() == 1);
        CHECK_MESSAGE(found[0].find("hunter2") == std::string::npos, found[0]);
    }
    const auto key = of_destination(whole_destination + ", whsec_hunter2: x");
    CHECK(key.at(0).starts_with("a.yaml:2:68: a destination has no key 'whsec_…'; it may have url,"));
}

TEST_CASE("all problems come at once, file by file") {
    const auto found = load({"streams: 5\ndeliveries: 6\nx: y", "destinations: 7"});
    CHECK(
        found.problems ==
        Lines{
            "a.yaml:1:10: streams is to be a list", "a.yaml:2:13: deliveries is to be a list",
            "a.yaml:3:1: a rule file has no key 'x'; it may have destinations, streams, deliveries, examples",
            "b.yaml:1:15: destinations is to be a mapping"});
    CHECK(found.problems_count == 4);
    std::string many = "destinations:\n";
    for (int i = 0; i < 150; ++i) many += "  d" + std::to_string(i) + ": 1\n";
    const auto more = load({many});
    CHECK(more.problems.size() == 101);
    CHECK(more.problems.back() == "a.yaml: 50 more problems");
    CHECK(more.problems_count == 150);
}

TEST_CASE("whatever a file holds, it gives rules that can be used, or problems with their places") {
    const std::string right =
        "destinations:\n  api: {" + whole_destination +
        ", fallback: {to: own, after_ms: 1}}\n"
        "streams:\n- {name: a, match: {tag: [x, y*], currency: BRL, value_minor: {from: 1}}, stream: s}\n"
        "deliveries:\n- {name: a, match: {seller: 'x'}, to: api}\n"
        "examples:\n- {name: e, given: {seller: x, lines: [{sku: m}]}, expect: {destination: api}}\n";
    REQUIRE(problems({right}) == Lines{});
    const std::string pieces = "{}[]:,-'\"\n *&!#|>%a0\t\xff";
    std::size_t used = 0;
    for (unsigned seed = 0; seed < 5'000; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        auto text = right;
        for (auto changes = 1 + random() % 3; changes > 0 && !text.empty(); --changes) {
            const auto at = random() % text.size();
            const auto kind = random() % 4;
            if (kind == 0) text[at] = pieces[random() % pieces.size()];
            if (kind == 1) text.insert(at, 1, pieces[random() % pieces.size()]);
            if (kind == 2) text.erase(at, 1 + random() % 20);
            if (kind == 3) text.insert(at, text.substr(random() % text.size(), random() % 40));
        }
        auto loaded = load({text});
        for (const auto& problem : loaded.problems) {
            REQUIRE_MESSAGE(problem.starts_with("a.yaml:"), problem);
            REQUIRE_MESSAGE(problem.find("the key") == std::string::npos, problem);
        }
        if (!loaded.problems.empty()) continue;
        ++used;
        const routing::Rules rules(std::move(loaded.rules));
        for (const auto& [name, destination] : rules.set().destinations)
            CHECK((!destination.fallback || rules.destination(destination.fallback->to) != nullptr));
        failed_examples(rules, loaded.examples);
    }
    CHECK(used > 50);
}

TEST_CASE("ten thousand mistakes are told in a moment") {
    std::string many = "destinations:\n";
    const std::string name(50, 'n');
    for (int i = 0; i < 5'000; ++i) many += "  " + name + std::to_string(i) + ": {}\n";
    std::string rules = "deliveries:\n";
    for (int i = 0; i < 10'000; ++i)
        rules += "- {name: r" + std::to_string(i) + ", match: {seller: s" + std::to_string(i) +
                 "}, to: " + name + "}\n";
    const auto loaded = load({many, rules});
    CHECK(loaded.problems_count == 20'000);
    CHECK(loaded.problems.size() == 202);
}
