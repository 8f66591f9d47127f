#include "tests/unit/codec/reading.hpp"

using namespace cartwright;
using namespace cartwright::testing;

namespace {

std::vector<std::string> outcomes(codec::Decoder& decoder, std::string_view body) {
    std::vector<std::string> all;
    for (const auto& one : decoder.decode(body)) {
        const auto* problem = std::get_if<codec::Problem>(&one.content);
        all.push_back(problem == nullptr ? "good" : problem->detail);
    }
    return all;
}

std::vector<std::string> outcomes(std::string_view body) {
    codec::Decoder decoder({});
    return outcomes(decoder, body);
}

}  // namespace

TEST_CASE("a batch is one element a member, each with its own text") {
    const auto first = cart_event(R"([{"line_id":"1","sku":"a,]}[{\"\\","quantity":1}])");
    const auto second =
        event("cartwright.stock.fill.v1", R"({"positions":[{"seller_id":"s","sku":"[\"]"}]})");
    const std::string body = " [\n" + first + " ,\t" + second + "\r\n] ";
    codec::Decoder decoder({});
    const auto all = decoder.decode(body);
    REQUIRE(all.size() == 2);
    CHECK(all[0].raw == first);
    CHECK(all[1].raw == second);
    CHECK(all[0].raw.data() >= body.data());
    CHECK(std::holds_alternative<message::CartSubmitted>(std::get<message::Event>(all[0].content).payload));
    CHECK(std::holds_alternative<message::StockFill>(std::get<message::Event>(all[1].content).payload));
}

TEST_CASE("an empty batch has no elements") {
    CHECK(outcomes("[]").empty());
    CHECK(outcomes(" [ \n ] ").empty());
}

TEST_CASE("a bad member does not spoil its neighbours") {
    const auto good = cart_event(one_line);
    const auto bad = cart_event(one_line, R"(,"paid":1)");
    CHECK(outcomes("[" + good + "," + bad + "," + good + ",7,[],null," + good + "]") ==
          std::vector<std::string>{"good", "data.paid: expected a boolean, found an integer", "good",
                                   "expected an object, found an integer",
                                   "expected an object, found an array", "expected an object, found null",
                                   "good"});
}

TEST_CASE("nor does one with a value that we can't hold") {
    const auto good = cart_event(one_line);
    const auto number = cart_event(one_line, R"(,"unread":123456789012345678901234567890)");
    const auto deep = cart_event(one_line, R"(,"unread":)" + std::string(70, '[') + std::string(70, ']'));
    const auto half = cart_event(one_line, R"(,"unread":"\ud83d")");
    const auto bytes = cart_event(one_line, ",\"unread\":\"\xff\"");
    for (const auto& bad : {number, deep, half, bytes}) {
        codec::Decoder decoder({});
        const auto body = "[" + good + ", " + bad + " ," + good + "]";
        const auto all = decoder.decode(body);
        REQUIRE(all.size() == 3);
        CHECK(std::holds_alternative<message::Event>(all[0].content));
        CHECK(std::holds_alternative<codec::Problem>(all[1].content));
        CHECK(std::holds_alternative<message::Event>(all[2].content));
        CHECK(all[0].raw == good);
        CHECK(all[1].raw == bad);
        CHECK(all[2].raw == good);
    }
}

TEST_CASE("what is no JSON at all is one problem with the whole body") {
    const auto good = cart_event(one_line);
    for (const auto& body : {"[" + good + "," + good, "[" + good + ",]", "[" + good + " " + good + "]",
                             "[" + good + "]" + good, "[" + good + ",nonsense]", "[" + good + ",\"\xff]"}) {
        CAPTURE(body);
        codec::Decoder decoder({});
        const auto all = decoder.decode(body);
        REQUIRE(all.size() == 1);
        CHECK(all[0].raw == body);
        REQUIRE(std::holds_alternative<codec::Problem>(all[0].content));
        CHECK(std::get<codec::Problem>(all[0].content).reason == "malformed");
    }
}

TEST_CASE("a batch has a bound, whatever is in it") {
    codec::Limits limits;
    limits.members_max = 2;
    codec::Decoder decoder(limits);
    const auto good = cart_event(one_line);
    const std::vector<std::string> too_many{"a batch of more than 2 events"};
    CHECK(outcomes(decoder, "[" + good + "," + good + "]").size() == 2);
    CHECK(outcomes(decoder, "[" + good + "," + good + "," + good + "]") == too_many);
    CHECK(outcomes(decoder, "[" + good + ",1e999," + good + "]") == too_many);
}
