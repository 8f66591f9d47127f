#include "common/codec/json_writer.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace cartwright;
using codec::JsonWriter;

namespace {

std::string quoted(std::string_view text) {
    std::string to;
    codec::append_quoted(to, text);
    return to;
}

}  // namespace

TEST_CASE("text is escaped where JSON asks for it and nowhere else") {
    CHECK(quoted("") == R"("")");
    CHECK(quoted("mug/1 {}[],:") == R"("mug/1 {}[],:")");
    CHECK(quoted("a\"b\\c") == R"("a\"b\\c")");
    CHECK(quoted("\b\f\n\r\t") == R"("\b\f\n\r\t")");
    CHECK(quoted(std::string("\0\x01\x1f\x7f", 4)) == "\"\\u0000\\u0001\\u001f\x7f\"");
    CHECK(quoted("é€\xe2\x80\xa8😀") == "\"é€\xe2\x80\xa8😀\"");
}

TEST_CASE("what is not UTF-8 is replaced, so that the output always is") {
    CHECK(quoted("a\xff"
                 "b") ==
          "\"a\xef\xbf\xbd"
          "b\"");
    CHECK(quoted("\xc3") == "\"\xef\xbf\xbd\"");
    CHECK(quoted("\xc3\"") == "\"\xef\xbf\xbd\\\"\"");
    CHECK(quoted("\xed\xa0\x80") == "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST_CASE("commas stand between members and elements") {
    JsonWriter writer(16);
    writer.begin_object();
    writer.integer("least", std::numeric_limits<std::int64_t>::min());
    writer.boolean("yes", true);
    writer.text_unless_empty("left out", "");
    writer.begin_array("empty");
    writer.end_array();
    writer.begin_array("list");
    writer.text("a");
    writer.text("b");
    writer.begin_object();
    writer.end_object();
    writer.begin_object();
    writer.boolean("no", false);
    writer.end_object();
    writer.end_array();
    writer.begin_object("inner");
    writer.raw("raw", "[1]");
    writer.id("sku", Sku("mug"));
    writer.id_unless_empty("none", Sku());
    writer.time("time", Timestamp{});
    writer.end_object();
    writer.end_object();
    CHECK(writer.take() ==
          R"({"least":-9223372036854775808,"yes":true,"empty":[],"list":["a","b",{},{"no":false}],)"
          R"("inner":{"raw":[1],"sku":"mug","time":"1970-01-01T00:00:00Z"}})");
}
