#include "common/worker/aftercare.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

using namespace cartwright;
using namespace cartwright::worker;

namespace {

amqp::Delivery delivery() {
    amqp::Delivery one;
    one.body = R"({"id":"1"})";
    one.content_type = amqp::json_event;
    one.message_id = "m-1";
    one.type = "t";
    one.queue = "reserver.carts";
    one.headers = {{"x-delivery-count", std::int64_t{3}}, {"tenant", std::string("a")}};
    return one;
}

std::string text(const amqp::Outgoing& message, std::string_view name) {
    for (const auto& [key, value] : message.headers) {
        if (key == name && std::holds_alternative<std::string>(value)) return std::get<std::string>(value);
    }
    return {};
}

bool has(const amqp::Outgoing& message, std::string_view name) {
    return std::any_of(message.headers.begin(), message.headers.end(),
                       [&](const auto& one) { return one.first == name; });
}

}  // namespace

TEST_CASE("a parked message is whole and says why, by whom and from where") {
    const auto original = delivery();
    const auto copy =
        parked("reserver", {original, original.body, "t", "1", false, 2}, "malformed", "data: is missing");
    CHECK(copy.exchange == "parking");
    CHECK(copy.mandatory);
    CHECK(copy.body == original.body);
    CHECK(copy.message_id == "m-1");
    CHECK(text(copy, "tenant") == "a");
    CHECK(text(copy, "x-parked-reason") == "malformed");
    CHECK(text(copy, "x-parked-detail") == "data: is missing");
    CHECK(text(copy, "x-parked-worker") == "reserver");
    CHECK(text(copy, "x-parked-queue") == "reserver.carts");
    CHECK_FALSE(has(copy, "x-delivery-count"));
}

TEST_CASE("an event of a batch message is parked as a message of its own") {
    auto original = delivery();
    original.content_type = amqp::json_event_batch;
    const auto copy = parked("splitter", {original, R"({"id":"7"})", "order", "7", true, 0}, "poison", "");
    CHECK(copy.body == R"({"id":"7"})");
    CHECK(copy.content_type == amqp::json_event);
    CHECK(copy.message_id == "7");
    CHECK(copy.type == "order");
}

TEST_CASE("the ladder climbs, counts attempts in its own header, and repeats its last rung") {
    const LadderSettings ladder{{std::chrono::seconds{1}, std::chrono::seconds{5}}, 20};
    auto original = delivery();
    auto first = for_ladder("router", ladder, {original, original.body, "t", "1", false, 0}, "not yet");
    CHECK(first.exchange == "retry");
    CHECK(first.routing_key == "router.retry.1s");
    original.headers = first.headers;
    original.queue = "router.retry";
    CHECK(attempts_of(original) == 1);
    for (int i = 0; i < 20; ++i) {
        const auto later =
            for_ladder("router", ladder, {original, original.body, "t", "1", false, 9}, "not yet");
        CHECK((later.routing_key == "router.retry.5s" || later.routing_key == "router.retry.1s"));
        CHECK(text(later, "x-first-failed-at") == text(first, "x-first-failed-at"));
    }
}

TEST_CASE("only who comes from the ladder was on it, whatever a sender writes") {
    auto original = delivery();
    original.headers = {{"x-attempt", std::int64_t{7}}, {"x-first-failed-at", std::string("never")}};
    for (const auto* queue : {"reserver.carts", "splitter.orders", "x.retry", "reserver.retry.1s"}) {
        original.queue = queue;
        CHECK(attempts_of(original) == 0);
    }
    const LadderSettings ladder{{std::chrono::seconds{1}}, 20};
    const auto first = for_ladder("reserver", ladder, {original, original.body, "t", "1", false, 0}, "");
    CHECK(text(first, "x-first-failed-at").starts_with("20"));
    original.queue = "reserver.retry";
    CHECK(attempts_of(original) == 7);
    for (const auto number : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
        original.headers = {{"x-attempt", number}};
        CHECK(attempts_of(original) == 0);
    }
    original.headers = {{"x-attempt", std::numeric_limits<std::int64_t>::max()}};
    CHECK(attempts_of(original) == 1'000'000'000);
    original.headers = {{"x-attempt", std::string("7")}};
    CHECK(attempts_of(original) == 0);
}

TEST_CASE("headers that fill a frame give way to the reason, the largest first") {
    auto original = delivery();
    const auto bytes = [](const amqp::Outgoing& message) {
        std::size_t all = 0;
        for (const auto& [name, value] : message.headers) all += amqp::header_bytes(name, value);
        return all;
    };
    const std::string detail(5'000, 'd');
    for (const std::size_t size : {122'000, 125'000, 127'000, 129'000, 131'000}) {
        CAPTURE(size);
        original.headers = {{"small", std::string("s")},
                            {"large", std::string(size - 50'000, 'x')},
                            {"medium", std::string(50'000, 'x')}};
        const Troubled troubled{original, original.body, "t", "1", false, 0};
        const auto copy = parked("reserver", troubled, "malformed", detail);
        CHECK(bytes(copy) <= amqp::headers_bytes_max);
        CHECK(text(copy, "small") == "s");
        CHECK(text(copy, "x-parked-reason") == "malformed");
        CHECK(has(copy, "large") == (size < 126'000));
        CHECK(text(copy, "x-parked-detail").ends_with("room: large") == !has(copy, "large"));
        const auto later = for_ladder("reserver", {{std::chrono::seconds{1}}, 20}, troubled, detail);
        CHECK(bytes(later) <= amqp::headers_bytes_max);
        CHECK(has(later, "x-attempt"));
    }
    original.headers.clear();
    for (int i = 0; i < 12'000; ++i) original.headers.emplace_back(fmt::format("h{}", i), true);
    CHECK(bytes(parked("reserver", {original, original.body, "t", "1", false, 0}, "poison", detail)) <=
          amqp::headers_bytes_max);
}

TEST_CASE("an answer may not be addressed to a queue of the fleet") {
    CHECK_FALSE(answer("", "c", "t", "{}"));
    CHECK_FALSE(answer("reserver.carts", "c", "t", "{}"));
    CHECK_FALSE(answer("sellers.03", "c", "t", "{}"));
    CHECK_FALSE(answer("parking", "c", "t", "{}"));
    const auto reply = answer("amq.gen-1", "c", "t", "{}");
    REQUIRE(reply);
    CHECK(reply->exchange.empty());
    CHECK(reply->routing_key == "amq.gen-1");
    CHECK(reply->correlation_id == "c");
    CHECK(reply->effort == amqp::Effort::best_effort);
}
