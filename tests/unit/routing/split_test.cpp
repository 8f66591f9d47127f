#include "common/routing/split.hpp"

#include <doctest/doctest.h>

#include <deque>

using namespace cartwright;
using routing::Answer;
using routing::ClaimKey;
using routing::Place;
using routing::StreamKey;
using routing::Work;
using routing::WorkKind;

namespace {

/// Orders and cancellations that Works point to.
struct Bench {
    std::deque<Order> orders;
    std::deque<message::OrderCancelled> cancellations;

    Work ready(const std::string& id, const std::vector<std::string>& sellers) {
        auto& order = orders.emplace_back();
        order.order_id = OrderId(id);
        for (const auto& seller : sellers) order.sellers.push_back({SellerId(seller), {}, {}, {}});
        return {WorkKind::ready, order.order_id, {}, &order, nullptr};
    }
    Work cancelled(const std::string& id, const std::vector<std::string>& sellers,
                   const std::string& event = "") {
        auto& cancellation = cancellations.emplace_back();
        cancellation.order_id = OrderId(id);
        cancellation.whole = event.empty();
        for (const auto& seller : sellers) cancellation.sellers.push_back({SellerId(seller), {}});
        const auto kind = event.empty() ? WorkKind::cancelled_whole : WorkKind::cancelled_lines;
        return {kind, cancellation.order_id, EventId(event), nullptr, &cancellation};
    }
};

ClaimKey key(const std::string& order, const std::string& item) {
    return {OrderId(order), item};
}
StreamKey main_of(const std::string& seller) {
    return {SellerId(seller), StreamName("main")};
}

routing::Split split_with(const std::vector<Work>& batch, const std::set<ClaimKey>& won,
                          const std::map<ClaimKey, Answer>& stored) {
    return routing::split(batch, won, stored, routing::Rules());
}

/// All claims are new.
routing::Split all_new(const std::vector<Work>& batch) {
    return split_with(batch, routing::claims_of(batch), {});
}

std::vector<std::string> told(const routing::Split& split) {
    std::vector<std::string> texts;
    for (const auto& message : split.messages) {
        texts.push_back(message.stream.seller_id.str() + " " + message.claim.item + " of " +
                        message.claim.order_id.str());
    }
    return texts;
}

}  // namespace

TEST_CASE("an order becomes one message a seller, in the order of its sellers") {
    Bench bench;
    const auto split = all_new({bench.ready("o1", {"a", "b"}), bench.ready("o2", {"b"})});
    CHECK(told(split) ==
          std::vector<std::string>{"a split/ready of o1", "b split/ready of o1", "b split/ready of o2"});
    CHECK(split.messages[1].seller == 1);
    CHECK(split.messages[1].stream == main_of("b"));
    CHECK(split.repeats.empty());
    CHECK(split.voided.empty());
}

TEST_CASE("the same order twice in a batch is numbered once") {
    Bench bench;
    const auto split = all_new({bench.ready("o1", {"a"}), bench.ready("o1", {"a"})});
    CHECK(split.messages.size() == 1);
    CHECK(split.repeats.empty());
}

TEST_CASE("an order that was split before says what it said then") {
    Bench bench;
    const Answer answer{false, {{main_of("a"), 7}, {main_of("b"), 1}}};
    const auto split =
        split_with(std::vector{bench.ready("o1", {"a", "b"})}, {}, {{key("o1", "split/ready"), answer}});
    CHECK(split.messages.empty());
    CHECK(split.repeats == std::set<Place>{{main_of("a"), 7}, {main_of("b"), 1}});
}

TEST_CASE("a cancellation that comes before its order voids it") {
    Bench bench;
    const std::vector batch{bench.cancelled("o1", {"a"})};
    CHECK(routing::claims_of(batch) == std::set{key("o1", "split/cancelled"), key("o1", "split/ready")});
    const auto split = all_new(batch);
    CHECK(split.messages.empty());
    CHECK(split.voided == std::set{key("o1", "split/cancelled"), key("o1", "split/ready")});

    const auto later =
        split_with(std::vector{bench.ready("o1", {"a"})}, {}, {{key("o1", "split/ready"), {true, {}}}});
    CHECK(later.messages.empty());
    CHECK(later.repeats.empty());
}

TEST_CASE("in one batch the order of arrival decides between an order and its cancellation") {
    Bench bench;
    const auto order_first = all_new({bench.ready("o1", {"a", "b"}), bench.cancelled("o1", {"a", "b"})});
    CHECK(told(order_first) == std::vector<std::string>{"a split/ready of o1", "b split/ready of o1",
                                                        "a split/cancelled of o1",
                                                        "b split/cancelled of o1"});
    CHECK(order_first.voided.empty());
    const auto cancelled_first = all_new({bench.cancelled("o1", {"a", "b"}), bench.ready("o1", {"a", "b"})});
    CHECK(cancelled_first.messages.empty());
    CHECK(cancelled_first.voided == std::set{key("o1", "split/cancelled"), key("o1", "split/ready")});
}

TEST_CASE("a cancellation goes into the stream that is stored with its order") {
    Bench bench;
    const StreamKey express{SellerId("a"), StreamName("express")};
    const std::vector batch{bench.cancelled("o1", {"a"})};
    const auto split = split_with(batch, {key("o1", "split/cancelled")},
                                  {{key("o1", "split/ready"), {false, {{express, 3}}}}});
    REQUIRE(split.messages.size() == 1);
    CHECK(split.messages[0].stream == express);
    CHECK(split.messages[0].claim == key("o1", "split/cancelled"));
}

TEST_CASE("a seller that never heard of an order does not hear of its cancellation") {
    Bench bench;
    const auto split =
        split_with(std::vector{bench.cancelled("o1", {"z"}, "e1")}, {key("o1", "split/cancelled/e1")},
                   {{key("o1", "split/ready"), {false, {{main_of("a"), 3}}}}});
    CHECK(split.messages.empty());
    CHECK(split.voided == std::set{key("o1", "split/cancelled/e1")});
}

TEST_CASE("a partial cancellation waits until its order is split") {
    Bench bench;
    const auto alone = all_new({bench.cancelled("o1", {"a"}, "e1")});
    CHECK(alone.later == std::vector<std::size_t>{0});
    CHECK(alone.given_up == std::set{key("o1", "split/cancelled/e1")});
    CHECK(alone.messages.empty());
    CHECK(alone.voided.empty());

    SUBCASE("its order stands behind it in the batch") {
        const auto split = all_new({bench.cancelled("o1", {"a"}, "e1"), bench.ready("o1", {"a"})});
        CHECK(told(split) == std::vector<std::string>{"a split/ready of o1", "a split/cancelled/e1 of o1"});
        CHECK(split.messages[1].work == 0);
        CHECK(split.later.empty());
        CHECK(split.given_up.empty());
    }
    SUBCASE("its order is voided behind it in the batch") {
        const auto split = all_new({bench.cancelled("o1", {"a"}, "e1"), bench.cancelled("o1", {"a"})});
        CHECK(split.messages.empty());
        CHECK(split.later.empty());
        CHECK(split.voided.size() == 3);
    }
    SUBCASE("twice in the batch") {
        const auto split = all_new({bench.cancelled("o1", {"a"}, "e1"), bench.cancelled("o1", {"a"}, "e1")});
        CHECK(split.later == std::vector<std::size_t>{0, 1});
        CHECK(split.given_up.size() == 1);
    }
}

TEST_CASE("partial cancellations of one order are claimed by their event") {
    Bench bench;
    const std::map<ClaimKey, Answer> stored{{key("o1", "split/ready"), {false, {{main_of("a"), 1}}}},
                                            {key("o1", "split/cancelled/e1"), {false, {{main_of("a"), 2}}}}};
    const std::vector batch{bench.cancelled("o1", {"a"}, "e1"), bench.cancelled("o1", {"a"}, "e2")};
    const auto split = split_with(batch, {key("o1", "split/cancelled/e2")}, stored);
    CHECK(told(split) == std::vector<std::string>{"a split/cancelled/e2 of o1"});
    CHECK(split.repeats == std::set<Place>{{main_of("a"), 2}});
}

TEST_CASE("an order without sellers is answered all the same") {
    Bench bench;
    const auto split = all_new({bench.ready("o1", {})});
    CHECK(split.messages.empty());
    CHECK(split.voided == std::set{key("o1", "split/ready")});
}

TEST_CASE("answers survive being stored") {
    const Answer places{false,
                        {{main_of("a b"), 1}, {{SellerId("x/\\\"'"), StreamName("s,1")}, 9'000'000'000'000}}};
    CHECK(routing::answer_from(routing::to_text(places)) == places);
    const Answer nothing{true, {}};
    CHECK(routing::to_text(nothing) == "void");
    CHECK(routing::answer_from("void") == nothing);
}
