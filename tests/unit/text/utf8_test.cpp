#include "common/text/utf8.hpp"

#include <doctest/doctest.h>

#include <string>

using cartwright::text::utf8_sequence;
using cartwright::text::utf8_text;

TEST_CASE("well-formed sequences have their length") {
    CHECK(utf8_sequence("a", 0) == 1);
    CHECK(utf8_sequence(std::string("\0", 1), 0) == 1);
    CHECK(utf8_sequence("\xc3\xa9", 0) == 2);
    CHECK(utf8_sequence("x\xe2\x82\xac", 1) == 3);
    CHECK(utf8_sequence("\xf0\x9f\x98\x80", 0) == 4);
    CHECK(utf8_sequence("\xf4\x8f\xbf\xbf", 0) == 4);
    CHECK(utf8_sequence("\xed\x9f\xbf", 0) == 3);
}

TEST_CASE("everything else has none") {
    CHECK(utf8_sequence("", 0) == 0);
    CHECK(utf8_sequence("a", 1) == 0);
    CHECK(utf8_sequence("\x80", 0) == 0);          // a continuation
    CHECK(utf8_sequence("\xc3", 0) == 0);          // cut
    CHECK(utf8_sequence("\xe2\x82", 0) == 0);      // cut
    CHECK(utf8_sequence("\xc0\xaf", 0) == 0);      // overlong
    CHECK(utf8_sequence("\xe0\x80\xaf", 0) == 0);  // overlong
    CHECK(utf8_sequence("\xf0\x80\x80\xaf", 0) == 0);
    CHECK(utf8_sequence("\xed\xa0\x80", 0) == 0);      // a surrogate
    CHECK(utf8_sequence("\xf4\x90\x80\x80", 0) == 0);  // beyond U+10FFFF
    CHECK(utf8_sequence("\xff", 0) == 0);
    CHECK(utf8_sequence("\xe2\x28\xac", 0) == 0);
    CHECK(utf8_sequence("\xe2\x82\x28", 0) == 0);
}

TEST_CASE("foreign words become UTF-8 of limited length") {
    CHECK(utf8_text("plain", 10) == "plain");
    CHECK(utf8_text("a\xef"
                    "b",
                    10) ==
          "a\xef\xbf\xbd"
          "b");
    CHECK(utf8_text("\xe2\x82\xac\xe2\x82\xac", 5) == "\xe2\x82\xac");
    CHECK(utf8_text("ab\xff", 4) == "ab");
    CHECK(utf8_text("", 0).empty());
}
