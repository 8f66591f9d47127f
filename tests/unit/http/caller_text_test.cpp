#include "common/http/caller_text.hpp"

#include <doctest/doctest.h>

using namespace cartwright::http;

TEST_CASE("what came from outside is shown as text that fits a line") {
    CHECK(presentable("plain", 200) == "plain");
    CHECK(presentable("", 200).empty());
    CHECK(presentable("a\r\n\tb\x7f\x1b[31m", 200) == "a???b??[31m");
    CHECK(presentable(std::string_view("a\0b", 3), 200) == "a?b");
    CHECK(presentable("caf\u00e9 \u6f22 \U0001F69A", 200) == "caf\u00e9 \u6f22 \U0001F69A");
    CHECK(presentable("\u009b31m\u00a0", 200) == "?31m\u00a0");  // a control sequence in one character
    CHECK(presentable("\xff\xc3(\xe6\xbc\xed\xa0\x80", 200) ==
          std::string(2, '?') + "(" + std::string(5, '?'));
}

TEST_CASE("it is cut between characters") {
    CHECK(presentable("abc", 2) == "ab");
    CHECK(presentable("ab\u6f22", 4) == "ab");
    CHECK(presentable("ab\u6f22", 5) == "ab\u6f22");
    CHECK(presentable("abc", 0).empty());
}

TEST_CASE("the host of a URL, and nothing secret") {
    CHECK(host_of("https://orders.acme.example/hook") == "orders.acme.example");
    CHECK(host_of("http://127.0.0.1:8080") == "127.0.0.1:8080");
    CHECK(host_of("https://[::1]:8080/?to=a://b") == "[::1]:8080");
    CHECK(host_of("https://user:pass@word@host?x@y") == "host");
    CHECK(host_of("nonsense").empty());
    CHECK(host_of("nonsense://").empty());
}
