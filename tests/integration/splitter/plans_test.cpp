// Statements find rows by their keys, whatever the planner knows of the tables.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "tests/integration/splitter/streams.hpp"
#include "workers/splitter/queries.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

/// Tables that were analysed with one row and then grew, and tables that are known as they are.
void fill(bool analysed_small) {
    empty_tables();
    sql("insert into inbox (id, item) values ('o', 'split/ready'); analyze inbox");
    sql("insert into inbox (id, item, answer) select 'x-' || lpad(i::text, 5, '0'), 'split/ready', 'void' "
        "from generate_series(0, 20000) i");
    sql("insert into seller_message (seller_id, stream, number, order_id, kind, body) select 'x-' || "
        "lpad(i::text, 5, '0'), 'main', 1, 'o', 'k', 'b' from generate_series(0, 20000) i");
    if (!analysed_small) sql("analyze inbox; analyze seller_message");
}

}  // namespace

TEST_CASE("reading claims and messages is no scan of a table") {
    const auto ids = text_array("x-", 150);
    const auto items = repeated_array("split/ready", 150);
    for (const bool analysed_small : {true, false}) {
        fill(analysed_small);
        for (const bool generic : {true, false}) {
            CAPTURE(analysed_small);
            CAPTURE(generic);
            const auto claims =
                plan_of(splitter::query::read_claims, fmt::format("{},{}", ids, items), generic);
            CHECK_MESSAGE(follows_the_array(claims, "inbox_pkey"), claims);
            const auto messages = plan_of(
                splitter::query::read_messages,
                fmt::format("{},{},{}", ids, repeated_array("main", 150), repeated_array("1", 150)), generic);
            CHECK_MESSAGE(follows_the_array(messages, "seller_message_pkey"), messages);
        }
    }
}
