// Rows that are appended with COPY: what comes back is what went in, and what is refused leaves nothing
// behind.
#include <doctest/doctest.h>

#include "common/outcome/trouble.hpp"
#include "tests/integration/splitter/streams.hpp"
#include "workers/splitter/queries.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

const std::string strange =
    "tab\t, line\nfeed\r, back\\slash, \\N, \\., \"quotes\", NULL, {}, \xF0\x9F\x98\x80";

void add_message(postgres::NewRows& rows, std::int64_t number, const std::string& body) {
    rows.add("s").add("main").add(number).add("order").add("kind").add(body).add_null().end_row();
}

void append(postgres::Session& session, const postgres::NewRows& rows) {
    session.transaction(
        [&](postgres::Transaction& transaction) { transaction.append(splitter::query::new_messages, rows); });
}

}  // namespace

TEST_CASE("appended rows are what was added, whatever characters they hold") {
    empty_tables();
    const auto session = worker_session("splitter");
    postgres::NewRows rows;
    append(*session, rows);
    CHECK(number("select count(*) from seller_message") == 0);
    add_message(rows, 1, strange);
    add_message(rows, 2, "");
    add_message(rows, 3, "\\.");
    CHECK(rows.size() == 3);
    append(*session, rows);
    CHECK(sql("select body from seller_message order by number") ==
          std::vector<std::string>{strange, "", "\\."});
    CHECK(number("select count(*) from seller_message where stream_rule is null") == 3);
}

TEST_CASE("what can't be appended is refused whole, and the session goes on") {
    empty_tables();
    const auto session = worker_session("splitter");
    postgres::NewRows first, again, zero;
    add_message(first, 1, "a");
    append(*session, first);
    add_message(again, 2, "b");
    add_message(again, 1, "c");
    CHECK_THROWS_AS(append(*session, again), postgres::Duplicate);
    add_message(zero, 2, std::string("a\0b", 3));
    CHECK_THROWS_AS(append(*session, zero), outcome::Refused);
    CHECK(sql("select body from seller_message order by number") == std::vector<std::string>{"a"});
    postgres::NewRows next;
    add_message(next, 2, "d");
    append(*session, next);
    CHECK(number("select count(*) from seller_message") == 2);
}

TEST_CASE("a disk without room is waited for, as by any statement") {
    empty_tables();
    const auto session = worker_session("splitter");
    postgres::NewRows rows;
    add_message(rows, 1, "a");
    sql("create function no_room() returns trigger language plpgsql as $$ begin raise exception 'no space' "
        "using "
        "errcode = '53100'; end $$; create trigger no_room after insert on seller_message execute function "
        "no_room()");
    CHECK_THROWS_AS(append(*session, rows), outcome::Unavailable);
    sql("drop function no_room cascade");
    append(*session, rows);
    CHECK(number("select count(*) from seller_message") == 1);
}
