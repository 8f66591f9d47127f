// Statements that lock rows find them in the order of their sorted arrays; the sweep walks two indexes side
// by side.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "tests/integration/splitter/streams.hpp"
#include "workers/router/queries.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

void fill(bool analysed_small) {
    empty_tables();
    sql("insert into seller_delivery values ('s', 'main', 1); insert into seller_stream values ('s', 'main', "
        "1); "
        "analyze seller_delivery; analyze seller_stream");
    sql("insert into seller_delivery select 'x-' || lpad(i::text, 5, '0'), 'main', 1 from generate_series(0, "
        "20000) i; "
        "insert into seller_stream select 'x-' || lpad(i::text, 5, '0'), 'main', 1 from generate_series(0, "
        "20000) i");
    if (!analysed_small) sql("analyze seller_delivery; analyze seller_stream");
}

}  // namespace

TEST_CASE("streams are locked in the order of their keys") {
    const auto sellers = text_array("x-", 150);
    const auto streams = repeated_array("main", 150);
    const auto ones = repeated_array("1", 150);
    const auto keys = sellers + "," + streams;
    const std::vector<std::pair<postgres::Statement, std::string>> locking{
        {router::query::claim_streams,
         fmt::format("{},{},{},{},{},{}", keys, ones, ones, streams, streams, ones)},
        {router::query::mark_streams,
         fmt::format("{},{},{},{},{},{},{}", keys, ones, ones, streams, ones, ones, streams)},
        {router::query::lock_routes, keys},
        {router::query::write_routes, fmt::format("{},{},{},{},{}", keys, streams, streams, streams, ones)},
        {router::query::lease_streams, fmt::format("{},{},{},100,60000", keys, streams, streams)},
        {router::query::release_streams, fmt::format("{},{},{},{},{},{},{},{},{}", keys, ones, ones, ones,
                                                     ones, streams, ones, streams, ones)},
    };
    for (const bool analysed_small : {true, false}) {
        fill(analysed_small);
        for (const bool generic : {true, false}) {
            CAPTURE(analysed_small);
            CAPTURE(generic);
            for (const auto& [statement, arguments] : locking) {
                const auto plan = plan_of(statement, arguments, generic);
                CHECK_MESSAGE(follows_the_array(plan, "seller_delivery_pkey"), statement.name, "\n", plan);
            }
            const auto reading =
                plan_of(router::query::read_assigned, fmt::format("{},{}", sellers, streams), generic);
            CHECK_MESSAGE(follows_the_array(reading, "seller_stream_pkey"), reading);
        }
    }
}

TEST_CASE("the sweep walks both tables side by side") {
    fill(false);
    for (const bool generic : {true, false}) {
        const auto plan = plan_of({"router_behind", router::query::streams_behind.sql}, "'','',10000",
                                  generic, router::query::allow_merge_join);
        CHECK_MESSAGE(plan.find("Merge Left Join") != std::string::npos, plan);
        CHECK_MESSAGE(plan.find("Sort") == std::string::npos, plan);
    }
}
