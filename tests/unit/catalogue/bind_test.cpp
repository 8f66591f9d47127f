#include "common/catalogue/bind.hpp"

#include <doctest/doctest.h>

using cartwright::catalogue::bind_parameters;

namespace {

std::string bound(std::string_view sql, const std::vector<std::string>& parameters) {
    return bind_parameters(sql, parameters, [](const std::string& text) { return "<" + text + ">"; });
}

}  // namespace

TEST_CASE("question marks become parameters, in order") {
    CHECK(bound("select 1", {}) == "select 1");
    CHECK(bound("? ?", {"a", "b"}) == "<a> <b>");
    CHECK(bound("f(?,?)", {"?", "'"}) == "f(<?>,<'>)");
}

TEST_CASE("question marks in quotes and comments stay") {
    CHECK(bound("'?' ?", {"a"}) == "'?' <a>");
    CHECK(bound("'it''s ?' ?", {"a"}) == "'it''s ?' <a>");
    CHECK(bound("'\\'?' ?", {"a"}) == "'\\'?' <a>");
    CHECK(bound("\"?\\\"?\" ?", {"a"}) == "\"?\\\"?\" <a>");
    CHECK(bound("`?` ?", {"a"}) == "`?` <a>");
    CHECK(bound("-- ?\n?", {"a"}) == "-- ?\n<a>");
    CHECK(bound("# ?\n?", {"a"}) == "# ?\n<a>");
    CHECK(bound("/* ? */ ?", {"a"}) == "/* ? */ <a>");
    CHECK(bound("1--? ?", {"a", "b"}) == "1--<a> <b>");
    CHECK(bound("'open ?", {}) == "'open ?");
    CHECK(bound("/* open ?", {}) == "/* open ?");
    CHECK(bound("'\\", {}) == "'\\");
}
