#include <doctest/doctest.h>

#include <string>

#include "common/postgres/session.hpp"

using namespace cartwright::postgres;

TEST_CASE("an array is a literal of PostgreSQL at any time") {
    Array array;
    CHECK(array.str() == "{}");
    CHECK(array.add("a").str() == R"({"a"})");
    array.add(-7).add_null().add(R"(say "hi" \ {,})").add("").add("NULL");
    CHECK(array.str() == R"({"a",-7,NULL,"say \"hi\" \\ {,}","","NULL"})");
    CHECK(array.size() == 6);
}

TEST_CASE("rows are lines of COPY, whatever characters they hold") {
    NewRows rows;
    CHECK(rows.str().empty());
    rows.add("a\tb\nc\rd\\e").add(42).add_null().end_row();
    CHECK(rows.str() == "a\\tb\\nc\\rd\\\\e\t42\t\\N");
    rows.add("").add("\\N").add("\\.").end_row();
    CHECK(rows.str() == "a\\tb\\nc\\rd\\\\e\t42\t\\N\n\t\\\\N\t\\\\.");
    CHECK(rows.size() == 2);
    std::string every;
    for (int c = 1; c < 256; ++c) every += static_cast<char>(c);
    NewRows one;
    one.add(every).end_row();
    CHECK(one.str().size() == every.size() + 4);  // what stands for itself is not written otherwise
    CHECK(one.str().find('\n') == std::string::npos);
    CHECK(one.str().find('\t') == std::string::npos);
}

TEST_CASE("texts are parted by a character that none of them holds") {
    Texts texts;
    CHECK(texts.str().empty());
    CHECK(texts.add(R"({"a":"b"})").str() == R"({"a":"b"})");
    CHECK(texts.add("{}").str() == "{\"a\":\"b\"}\x1f{}");
}
