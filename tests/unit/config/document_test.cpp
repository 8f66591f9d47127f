#include "common/config/document.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/config/example.hpp"

using namespace example;

namespace {

bool complains(const std::string& text, const std::string& about) {
    const std::string problems = problems_of(text);
    INFO(problems);
    return problems.find(about) != std::string::npos;
}

}  // namespace

TEST_CASE("duplicate keys") {
    CHECK(problems_of("name: a\nenabled: true\nname: b\n") ==
          "c.yaml:3:1: duplicate key 'name', first on line 1; keep one");
    CHECK(problems_of("pool: {lanes: 1, 'lanes': 2}") ==
          "c.yaml:1:18: duplicate key 'lanes', first on line 1; keep one");
    Service service;
    CHECK_FALSE(problems_of(service, "pool: {lanes: 1}\npool: {lanes: 2}\n").empty());
    CHECK(service.pool.lanes == 1);
}

TEST_CASE("anchors and aliases, also one that contains itself") {
    CHECK(problems_of("name: &a x\nqueues: [*a]\n") ==
          "c.yaml:1:7: anchors are not supported; remove '&a'\n"
          "c.yaml:2:10: aliases are not supported; write the value out");
    CHECK(complains("pool: &p\n  lanes: *p\n", "c.yaml:2:10: aliases are not supported"));
    CHECK(complains("&a x: 1\n", "anchors are not supported"));
    CHECK(complains("*a : 1\n", "not YAML"));
    CHECK(complains("a: &a {x: 1}\npool:\n  <<: *a\n", "aliases are not supported"));
}

TEST_CASE("tags") {
    CHECK(complains("name: !!str x", "c.yaml:1:7: tags are not supported; remove 'tag:yaml.org,2002:str'"));
    CHECK(complains("name: !thing x", "tags are not supported; remove '!thing'"));
    CHECK(complains("pool: !thing {}", "tags are not supported"));
    CHECK(complains("queues: !thing [a]", "tags are not supported"));
}

TEST_CASE("a second document") {
    CHECK(problems_of("name: a\n---\nname: b\n").find("a second document begins here") != std::string::npos);
    CHECK(problems_of("name: a\n---\n").find("a second document begins here") != std::string::npos);
    CHECK(problems_of("---\nname: a\n...\n").empty());
}

TEST_CASE("keys that are no plain text") {
    CHECK(complains("[a]: 1", "a key is not plain text"));
    CHECK(complains("? {a: b}\n: 1\n", "a key is not plain text"));
    CHECK(complains("~: 1", "a key is not plain text"));
    CHECK(complains("'': 1", "a key is not plain text"));
}

TEST_CASE("nesting is bounded") {
    CHECK(problems_of("other: " + std::string(15, '[') + std::string(15, ']'), {"other"}).empty());
    CHECK(complains("other: " + std::string(16, '[') + std::string(16, ']'),
                    "nested too deep; at most 16 levels"));
    CHECK(complains("other: " + std::string(100'000, '['), "nested too deep"));
    std::string mappings;
    for (int i = 0; i < 5000; ++i) mappings += "{a: ";
    CHECK(complains(mappings, "nested too deep"));
    std::string dashes;
    for (int i = 0; i < 5000; ++i) dashes += "- ";
    CHECK(complains(dashes, "nested too deep"));
}

TEST_CASE("text that is not UTF-8, and control characters") {
    CHECK(problems_of("name: a\nlevel: info\n# caf\xe9\n") ==
          "c.yaml:3:6: byte 0xe9 is not valid UTF-8; save the file as UTF-8 text");
    CHECK(problems_of(std::string("name: a\0b", 9)) ==
          "c.yaml:1:8: byte 0x00 is a control character; save the file as UTF-8 text");
    CHECK(complains("name: \"\x1b[31m\"", "byte 0x1b is a control character"));
    CHECK(complains(std::string("\xff\xfen\0a\0", 6), "the file is UTF-16"));
    // Together with what else is wrong.
    CHECK(complains("name: \xff\nlanes: 1\n", "unknown key 'lanes'"));
    Service service;
    CHECK(problems_of(service, "\xef\xbb\xbfname: caf\xc3\xa9\r\nenabled: false\r\n").empty());
    CHECK(service.name == "caf\xc3\xa9");
}

TEST_CASE("a complaint about syntax is text, whatever it is about") {
    const auto problems = problems_of("name: \"\\\xc3\xa9\"");  // a library quotes half of the letter
    CHECK(problems.find("unknown escape character: \xef\xbf\xbd; correct the syntax") != std::string::npos);
}

TEST_CASE("syntax errors have their place, and hide nothing that was found before") {
    const std::string problems = problems_of("name: &a x\npool: [1, 2\nlevel: info\n");
    CHECK(problems.starts_with("c.yaml:1:7: anchors are not supported"));
    CHECK(problems.find("c.yaml:3:") != std::string::npos);
    CHECK(complains("\tname: x", "not YAML"));
    CHECK(complains("name: 'x", "not YAML"));
    CHECK(complains("name: x\nnonsense\n", "unknown key 'nonsense'"));
    CHECK(complains("name: a: b", "not YAML"));
    CHECK(complains("@", "not YAML"));
}

TEST_CASE("cut and corrupted files are refused or read, never worse") {
    const std::string whole =
        "name: \"17\"\nqueues: [x, 'y z', 3]\npool:\n  lanes: 8\nrules:\n  - match: &a |\n      text\n    "
        "weight: *a\n";
    for (std::size_t i = 0; i <= whole.size(); ++i) {
        problems_of(whole.substr(0, i));
        for (const char c : {'\0', '\xff', '[', '}', '"', '&', '*', '!', '\n', ':', '-', '%', '?', '|'}) {
            std::string corrupted = whole;
            if (i < whole.size()) corrupted[i] = c;
            problems_of(corrupted);
        }
    }
}
