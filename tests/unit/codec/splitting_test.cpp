#include "common/codec/splitting.hpp"

#include <doctest/doctest.h>

using namespace cartwright::codec;
using Texts = std::vector<std::string_view>;

TEST_CASE("elements are found whatever they hold") {
    CHECK(split_array("[]", 9) == Texts{});
    CHECK(split_array(" [ ] ", 9) == Texts{});
    CHECK(split_array("[1]", 9) == Texts{"1"});
    CHECK(split_array("[ 1 ,\n2\t]", 9) == Texts{"1", "2"});
    CHECK(split_array(R"([{"a":[1,2]},[{},[]],"],\",[",null])", 9) ==
          Texts{R"({"a":[1,2]})", "[{},[]]", R"("],\",[")", "null"});
    CHECK(split_array(R"(["\\",1])", 9) == Texts{R"("\\")", "1"});
}

TEST_CASE("what can't be split is nothing") {
    for (const auto* text :
         {"", "[", "]", "{}", "1", "[1,]", "[,1]", "[,]", "[1", "[[1]", "[1]]", "[\"]", "[\"\\\"]", "[{]"}) {
        CAPTURE(text);
        CHECK_FALSE(split_array(text, 9));
    }
}

TEST_CASE("counting stops behind the bound") {
    CHECK(split_array("[1,2,3]", 3)->size() == 3);
    CHECK(split_array("[1,2,3,4,5,6]", 3)->size() == 4);
}

TEST_CASE("trimming takes JSON's white space only") {
    CHECK(trimmed(" \t\r\n a b \n") == "a b");
    CHECK(trimmed("  ").empty());
    CHECK(trimmed("\va\f") == "\va\f");
}
