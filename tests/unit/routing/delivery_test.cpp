#include "common/routing/delivery.hpp"

#include <doctest/doctest.h>

using namespace cartwright;
using namespace cartwright::routing;
using std::chrono::milliseconds;

namespace {

const StreamKey a{SellerId("a"), StreamName("main")};
const StreamKey b{SellerId("b"), StreamName("main")};

Doorbell doorbell(const std::vector<std::int64_t>& numbers) {
    Doorbell result;
    for (const auto number : numbers) {
        result.target = std::max(result.target, number);
        result.contents[number] = {"type", "body " + std::to_string(number)};
    }
    return result;
}

/// One turn of stream a: what was claimed, and what became of each message sent.
struct TurnOfA {
    Doorbells doorbells;
    Claim claim;
    std::vector<Outcome> outcomes;

    ByStream<Progress> all() {
        const std::vector claims{claim};
        const auto run = plan(claims, doorbells);
        outcomes.resize(run.size());
        return progress(claims, doorbells, run, outcomes);
    }
    Progress progressed() { return all().at(a); }
    std::vector<Mark> marked() { return marks(std::vector{claim}, all(), {}); }
};

const Outcome refused{Stop::failed, "no queue takes it"};

}  // namespace

TEST_CASE("a run ascends from the claim without a gap") {
    Doorbells doorbells{{a, doorbell({3, 4, 6})}, {b, doorbell({9})}};
    const std::vector<Claim> claims{{a, 2, 6, false, false, 0}, {b, 9, 9, false, false, 0}};
    CHECK(missing(claims, doorbells) == std::vector<std::pair<StreamKey, std::int64_t>>{{a, 5}});

    SUBCASE("what is missing was read") {
        doorbells.at(a).contents[5] = {"type", "body 5"};
        const auto run = plan(claims, doorbells);
        REQUIRE(run.size() == 4);
        for (std::size_t i = 0; i < run.size(); ++i) {
            CHECK(run[i].number == static_cast<std::int64_t>(i) + 3);
            CHECK(run[i].content.body == "body " + std::to_string(i + 3));
        }
    }
    SUBCASE("what is missing is nowhere") {
        const auto run = plan(claims, doorbells);
        CHECK(run.size() == 2);
        const auto got = progress(claims, doorbells, run, std::vector<Outcome>(2));
        CHECK(got.at(a).delivered == 4);
        CHECK(got.at(a).stop == Stop::missing);
        CHECK(got.at(b).stop == Stop::nothing);
        const auto corrections = marks(claims, got, {});
        REQUIRE(corrections.size() == 1);
        CHECK(corrections[0].delivered == 4);
        CHECK_FALSE(corrections[0].pause);
    }
}

TEST_CASE("progress ends at the first message that was not accepted") {
    TurnOfA turn{{{a, doorbell({1, 2, 3, 4})}}, {a, 0, 4, false, false, 0}, {{}, refused, {}, {}}};
    const auto got = turn.progressed();
    CHECK(got.delivered == 1);
    CHECK(got.stop == Stop::failed);
    CHECK(got.trouble == "no queue takes it");
}

TEST_CASE("a claim that was right needs no correction") {
    TurnOfA turn{{{a, doorbell({1, 2})}}, {a, 0, 2, false, false, 0}, {}};
    CHECK(turn.marked().empty());
}

TEST_CASE("a failure holds its stream, for longer every time") {
    std::vector<milliseconds::rep> pauses;
    for (std::int64_t attempts = 0; attempts < 12; ++attempts) {
        TurnOfA turn{{{a, doorbell({1})}}, {a, 0, 1, false, attempts > 0, attempts}, {refused}};
        const auto corrections = turn.marked();
        REQUIRE(corrections.size() == 1);
        CHECK(corrections[0].delivered == 0);
        CHECK(corrections[0].attempts == attempts + 1);
        CHECK(corrections[0].trouble == "no queue takes it");
        pauses.push_back(corrections[0].pause.value().count());
    }
    CHECK(pauses == std::vector<milliseconds::rep>{500, 1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 64'000,
                                                   128'000, 256'000, 300'000, 300'000});
}

TEST_CASE("a success after failures ends the trouble") {
    TurnOfA turn{{{a, doorbell({1})}}, {a, 0, 1, false, true, 7}, {}};
    const auto corrections = turn.marked();
    REQUIRE(corrections.size() == 1);
    CHECK(corrections[0].delivered == 1);
    CHECK(corrections[0].attempts == 0);
    CHECK(corrections[0].trouble.empty());
    CHECK_FALSE(corrections[0].pause);
}

TEST_CASE("a stream in trouble from which nothing was sent stays what it is") {
    TurnOfA turn{{{a, doorbell({1})}}, {a, 4, 4, false, true, 3}, {}};
    CHECK(turn.marked().empty());
}

TEST_CASE("a blocked stream waits a moment and keeps its count of failures") {
    TurnOfA turn{{{a, doorbell({5})}}, {a, 4, 4, false, false, 0}, {}};
    turn.doorbells.at(a).blocked = "too deep";
    const auto corrections = turn.marked();
    REQUIRE(corrections.size() == 1);
    CHECK(corrections[0].pause == milliseconds(1'000));
    CHECK(corrections[0].attempts == 0);
    CHECK(corrections[0].trouble == "too deep");

    TurnOfA repeat{{{a, doorbell({4})}}, {a, 4, 4, false, false, 0}, {}};
    repeat.doorbells.at(a).blocked = "too deep";
    CHECK(repeat.marked().empty());
}

TEST_CASE("when nobody can be reached no stream is held for it") {
    TurnOfA turn{{{a, doorbell({1, 2})}}, {a, 0, 2, false, false, 0}, {{}, {Stop::interrupted, "gone"}}};
    const auto corrections = turn.marked();
    REQUIRE(corrections.size() == 1);
    CHECK(corrections[0].delivered == 1);
    CHECK(corrections[0].attempts == 0);
    CHECK_FALSE(corrections[0].pause);

    TurnOfA in_trouble{{{a, doorbell({1})}}, {a, 0, 1, false, true, 2}, {{Stop::interrupted, "gone"}}};
    const auto kept = in_trouble.marked();
    REQUIRE(kept.size() == 1);
    CHECK(kept[0].delivered == 0);
    CHECK(kept[0].attempts == 2);
    CHECK(kept[0].pause == milliseconds(0));
}

TEST_CASE("a refusal in an interrupted turn holds nobody yet, but counts") {
    Doorbells doorbells{{a, doorbell({1, 2})}, {b, doorbell({1})}};
    const std::vector<Claim> claims{{a, 0, 2, false, false, 0}, {b, 0, 1, false, false, 0}};
    const auto run = plan(claims, doorbells);
    const auto got =
        progress(claims, doorbells, run, std::vector<Outcome>{{}, refused, {Stop::interrupted, "gone"}});
    CHECK(got.at(a).stop == Stop::interrupted);
    CHECK(got.at(a).delivered == 1);
    CHECK(got.at(b).trouble == "gone");
    const auto corrections = marks(claims, got, {});
    REQUIRE(corrections.size() == 2);
    CHECK(corrections[0].attempts == 1);
    CHECK_FALSE(corrections[0].pause);
    CHECK(corrections[1].attempts == 0);
    CHECK_FALSE(corrections[1].pause);
}

TEST_CASE("allowances: what a stream brought, and an equal share of the rest") {
    Doorbells doorbells{{a, doorbell({1, 2, 3})}, {b, {90, {}, {}}}};
    CHECK(allowances(doorbells, 13, 500) == ByStream<std::int64_t>{{a, 8}, {b, 5}});
    CHECK(allowances(doorbells, 13, 6) == ByStream<std::int64_t>{{a, 6}, {b, 5}});
    CHECK(allowances(doorbells, 1, 500) == ByStream<std::int64_t>{{a, 3}, {b, 1}});
    CHECK(allowances({}, 1, 1).empty());
}

TEST_CASE("who rings again") {
    const Claim fresh{a, 4, 6, false, false, 0};
    const Claim tried{a, 4, 5, false, true, 2};
    const Claim held{a, 4, 4, true, true, 2};
    const std::vector<Bell> bells{{3, false}, {5, false}, {6, false}};
    const std::vector<Bell> with_ladder{{6, false}, {5, true}};
    using R = std::vector<Reply>;
    constexpr auto done = Reply::done, later = Reply::later, again = Reply::again;

    CHECK(replies(bells, fresh, {6, Stop::nothing, {}}, 6) == R{done, done, done});
    CHECK(replies(bells, fresh, {5, Stop::nothing, {}}, 6) == R{done, done, again});
    SUBCASE("the one that makes the hold goes on the ladder") {
        CHECK(replies(bells, fresh, {4, Stop::failed, "t"}, 6) == R{done, done, later});
        CHECK(replies(bells, fresh, {4, Stop::blocked, "t"}, 6) == R{done, done, later});
    }
    SUBCASE("whoever finds a hold is done, but for who is on the ladder for it") {
        CHECK(replies(bells, held, {4, Stop::nothing, {}}, 6) == R{done, done, done});
        CHECK(replies(with_ladder, held, {4, Stop::nothing, {}}, 6) == R{done, later});
        CHECK(replies(bells, tried, {4, Stop::failed, "t"}, 6) == R{done, done, done});
        CHECK(replies(with_ladder, tried, {4, Stop::failed, "t"}, 6) == R{done, later});
    }
    SUBCASE("one goes on until the end of the stream, whatever its own number") {
        CHECK(replies(with_ladder, tried, {5, Stop::nothing, {}}, 6) == R{again, done});
        CHECK(replies(std::vector<Bell>{{3, true}}, tried, {5, Stop::nothing, {}}, 90) == R{again});
    }
    CHECK(replies(bells, fresh, {4, Stop::missing, "t"}, 6) == R{done, done, later});
    CHECK(replies({}, fresh, {4, Stop::failed, "t"}, 6).empty());
}

TEST_CASE("a stream whose route is another than was believed is tried again, and nothing is said of it") {
    TurnOfA turn{{{a, doorbell({3, 4})}}, {a, 2, 2, false, false, 0}, {}};
    turn.claim.routed = false;
    const auto got = turn.progressed();
    CHECK(got.stop == Stop::nothing);
    CHECK(turn.marked().empty());
    CHECK(replies(std::vector<Bell>{{3, false}, {4, false}}, turn.claim, got, 4) ==
          std::vector{Reply::done, Reply::again});
}

TEST_CASE("who rings for a stream that waits for a person is done with") {
    TurnOfA turn{{{a, doorbell({3, 4})}}, {a, 2, 2, true, true, 5}, {}};
    turn.claim.for_good = true;
    CHECK(replies(std::vector<Bell>{{3, true}, {4, false}}, turn.claim, turn.progressed(), 4) ==
          std::vector{Reply::done, Reply::done});
}

TEST_CASE("a doorbell's copy of a replaced message is forgotten until it is delivered") {
    Doorbells doorbells{{a, doorbell({3, 4})}};
    std::vector<Claim> claims{{a, 2, 4, false, false, 0}};
    claims[0].replaced = 3;
    forget_replaced(claims, doorbells);
    CHECK(missing(claims, doorbells) == std::vector<std::pair<StreamKey, std::int64_t>>{{a, 3}});
    Doorbells later{{a, doorbell({3, 4})}};
    claims[0].from = 3;
    forget_replaced(claims, later);
    CHECK(missing(claims, later).empty());
}

TEST_CASE("only a message that certainly did not arrive is recorded as refused") {
    TurnOfA turn{{{a, doorbell({1, 2})}}, {a, 0, 2, false, false, 0}, {{}, {Stop::failed, "returned", true}}};
    CHECK(turn.marked().at(0).refused == 2);
    CHECK(turn.marked().at(0).held_for == "failing");
    TurnOfA unsure{{{a, doorbell({1, 2})}}, {a, 0, 2, false, false, 0}, {{}, {Stop::failed, "no confirm"}}};
    CHECK_FALSE(unsure.marked().at(0).refused);
}
