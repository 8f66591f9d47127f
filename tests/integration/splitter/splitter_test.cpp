#include "workers/splitter/splitter.hpp"

#include <doctest/doctest.h>

#include "common/routing/split.hpp"
#include "tests/integration/splitter/streams.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

using Texts = std::vector<std::string>;

struct Bench {
    splitter::Handler handler{worker_session("splitter"), routing::fixed_rules(), splitter::Config{}};
    Bench() { empty_tables(); }

    worker::Result handle(const std::vector<worker::Member>& batch) { return handler.handle(batch); }
    /// The ids of the messages that a batch publishes.
    Texts published(const std::vector<worker::Member>& batch) {
        Mail mail;
        mail.add(handle(batch).outgoing);
        Texts ids;
        for (const auto& member : mail.members()) ids.push_back(member.event.envelope.id.str());
        return ids;
    }
};

/// What a seller is told, in order of numbers.
Texts stream_of(const std::string& seller) {
    return sql("select number || ' ' || kind || ' ' || order_id from seller_message where seller_id = '" +
               seller + "' order by number");
}

const std::string order_kind = " cartwright.seller.order.v1 ";
const std::string cancellation_kind = " cartwright.seller.cancellation.v1 ";

}  // namespace

TEST_CASE("orders become numbered messages, one a seller") {
    Bench bench;
    const auto result = bench.handle({ready("o1", {"a", "b"}), ready("o2", {"b"})});
    CHECK(verdicts(result) == Texts{"done", "done"});
    REQUIRE(result.outgoing.size() == 1);
    CHECK(result.outgoing[0].exchange == "seller-messages");
    CHECK(result.outgoing[0].routing_key == "seller.message");
    CHECK(result.outgoing[0].content_type == amqp::json_event_batch);
    CHECK(result.outgoing[0].mandatory);
    CHECK(stream_of("a") == Texts{"1" + order_kind + "o1"});
    CHECK(stream_of("b") == Texts{"1" + order_kind + "o1", "2" + order_kind + "o2"});
    Mail mail;
    mail.add(result.outgoing);
    for (const auto& member : mail.members()) {
        const auto& place = std::get<message::SellerMessage>(member.event.payload);
        const auto where =
            "seller_id = '" + place.seller_id.str() + "' and number = " + std::to_string(place.number);
        CHECK(sql("select body from seller_message where " + where) == Texts{std::string(member.raw)});
    }
    CHECK(number("select last_assigned from seller_stream where seller_id = 'b'") == 2);
}

TEST_CASE("one order alone goes out as a plain event") {
    Bench bench;
    const auto result = bench.handle({ready("o1", {"a"})});
    REQUIRE(result.outgoing.size() == 1);
    CHECK(result.outgoing[0].content_type == amqp::json_event);
    CHECK(result.outgoing[0].message_id == "a/main/1");
}

TEST_CASE("a repeat publishes the same bytes again, whatever it arrives with") {
    Bench bench;
    const auto first = bench.handle({ready("o1", {"a", "b"})});
    const auto alone = bench.handle({ready("o1", {"a", "b"})});
    REQUIRE(alone.outgoing.size() == 1);
    CHECK(alone.outgoing[0].body == first.outgoing[0].body);
    CHECK(bench.published({ready("o2", {"a"}), ready("o1", {"a", "b"}), ready("o1", {"a", "b"}),
                           ready("o3", {"b"})}) == Texts{"a/main/1", "b/main/1", "a/main/2", "b/main/2"});
    CHECK(number("select count(*) from seller_message") == 4);
}

TEST_CASE("a repeat of a cancellation keeps its kind and its bytes") {
    Bench bench;
    bench.handle({ready("o1", {"a"})});
    const auto first = bench.handle({cancelled("o1", {"a"})});
    const auto again = bench.handle({cancelled("o1", {"a"})});
    REQUIRE(again.outgoing.size() == 1);
    CHECK(again.outgoing[0].body == first.outgoing[0].body);
    CHECK(again.outgoing[0].type == message::type::seller_cancellation);
    CHECK(stream_of("a") == Texts{"1" + order_kind + "o1", "2" + cancellation_kind + "o1"});
}

TEST_CASE("an order that was cancelled first is never numbered") {
    Bench bench;
    CHECK(bench.published({cancelled("o1", {"a"})}).empty());
    CHECK(bench.published({ready("o1", {"a"})}).empty());
    CHECK(
        bench.published({cancelled("o1", {"a"}), ready("o1", {"a"}), cancelled("o1", {"a"}, "e1")}).empty());
    CHECK(stream_of("a").empty());
    CHECK(number("select count(*) from inbox where answer = 'void'") == 3);
}

TEST_CASE("a cancellation goes into the stream that is stored with its order") {
    Bench bench;
    bench.handle({ready("o1", {"a"})});
    sql("insert into seller_stream values ('a', 'express', 41); "
        "update inbox set answer = E'a\texpress\t41\n' where item = 'split/ready'");
    CHECK(bench.published({cancelled("o1", {"a"})}) == Texts{"a/express/42"});
    CHECK(number("select last_assigned from seller_stream where stream = 'main'") == 1);
}

TEST_CASE("a partial cancellation waits for its order and leaves nothing behind meanwhile") {
    Bench bench;
    const auto early = bench.handle({cancelled("o1", {"a"}, "e1")});
    CHECK(verdicts(early) == Texts{"later"});
    CHECK(early.outgoing.empty());
    CHECK(number("select count(*) from inbox") == 0);
    CHECK(bench.published({ready("o1", {"a"})}) == Texts{"a/main/1"});
    CHECK(bench.published({cancelled("o1", {"a"}, "e1"), cancelled("o1", {"a"}, "e2")}) ==
          Texts{"a/main/2", "a/main/3"});
    CHECK(bench.published({cancelled("o1", {"a"}, "e2")}) == Texts{"a/main/3"});
}

TEST_CASE("a partial cancellation before its order in one batch is told after it") {
    Bench bench;
    CHECK(verdicts(bench.handle({cancelled("o1", {"a"}, "e1"), ready("o1", {"a"})})) ==
          Texts{"done", "done"});
    CHECK(stream_of("a") == Texts{"1" + order_kind + "o1", "2" + cancellation_kind + "o1"});
}

TEST_CASE("what is none of the splitter's is parked and disturbs nobody") {
    Bench bench;
    auto reserved = ready("o1", {"a"});
    reserved.event.envelope.type = message::type::order_reserved;
    const auto result = bench.handle({reserved, ready("o2", {"a"})});
    CHECK(verdicts(result) == Texts{"park", "done"});
    CHECK(stream_of("a") == Texts{"1" + order_kind + "o2"});
}

TEST_CASE("messages to the router are bounded in count and bytes") {
    empty_tables();
    splitter::Config config;
    config.packing.events_max = 3;
    splitter::Handler handler(worker_session("splitter"), routing::fixed_rules(), config);
    std::vector<worker::Member> batch;
    for (int i = 0; i < 8; ++i) batch.push_back(ready("o" + std::to_string(i), {"a"}));
    CHECK(handler.handle(batch).outgoing.size() == 3);
    config.packing.events_max = 100;
    config.packing.bytes_max = 1'024;
    splitter::Handler small(worker_session("splitter"), routing::fixed_rules(), config);
    const auto result = small.handle(batch);
    CHECK(result.outgoing.size() > 3);
    Mail mail;
    mail.add(result.outgoing);
    CHECK(mail.members().size() == 8);
}

TEST_CASE("a batch that fails leaves no number taken") {
    Bench bench;
    bench.handle({ready("o1", {"a"})});
    // Something stands where the next message should go.
    sql("insert into seller_message (seller_id, stream, number, order_id, kind, body) "
        "values ('a', 'main', 2, 'x', 'x', 'x')");
    CHECK_THROWS(bench.handle({ready("o2", {"a"})}));
    CHECK(number("select last_assigned from seller_stream") == 1);
    CHECK(number("select count(*) from inbox where id = 'o2'") == 0);
}
