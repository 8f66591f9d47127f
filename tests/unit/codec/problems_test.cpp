#include <array>

#include "tests/unit/codec/reading.hpp"

using namespace cartwright;
using namespace cartwright::testing;

namespace {

std::string with_field(std::string_view name, std::string_view value) {
    return cart_event(one_line, ",\"" + std::string(name) + "\":" + std::string(value));
}

/// One line of which one field has this value.
std::string with_line_field(std::string_view name, std::string_view value) {
    std::string line;
    const std::array<std::pair<std::string_view, std::string_view>, 3> fields{
        {{"line_id", "\"1\""}, {"sku", "\"mug\""}, {"quantity", "1"}}};
    const auto add = [&](std::string_view key, std::string_view text) {
        line += (line.empty() ? "\"" : ",\"") + std::string(key) + "\":" + std::string(text);
    };
    for (const auto& [key, text] : fields) {
        if (key != name) add(key, text);
    }
    add(name, value);
    return cart_event("[{" + line + "}]");
}

const std::string nothing_known = R"({"specversion":"1.0","id":"1","source":"s","type":"x"})";

}  // namespace

TEST_CASE("what is not JSON") {
    CHECK(complaint("") == "malformed: not JSON: empty");
    CHECK(complaint(" \n") == "malformed: not JSON: empty");
    for (const auto* text :
         {"{", "nonsense", "{} {}", "{,}", "[{},]", "{\"a\":1,}", "\xef\xbb\xbf{}", "{\"a\":nonsense}", "\"",
          "{\"a\":01}", "{'a':1}", "[{}", "}", "{\"a\":\"\n\"}", "{\"a\":NaN}"}) {
        CAPTURE(text);
        CHECK(complaint(text).starts_with("malformed: not JSON"));
    }
    CHECK(complaint(std::string("{}\0", 3)).starts_with("malformed: not JSON"));
}

TEST_CASE("garbage in a field that nobody reads is seen too") {
    CHECK_FALSE(complaint(with_field("unread", "nonsense")).empty());
    CHECK_FALSE(complaint(with_field("unread", "[1,2")).empty());
    CHECK(complaint(with_field("unread", "\"\xc3\x28\"")) == "malformed: not UTF-8");
    CHECK(complaint(with_field("unread", R"("\ud800")")).starts_with("malformed: not JSON: a string"));
    CHECK(complaint(with_field("unread", "1e999")).starts_with("malformed: not JSON, or a number beyond"));
}

TEST_CASE("what is no object") {
    CHECK(complaint("1") == "malformed: expected an object, found an integer");
    CHECK(complaint("null") == "malformed: expected an object, found null");
    CHECK(complaint("\"a\"") == "malformed: expected an object, found a string");
    CHECK(complaint("true") == "malformed: expected an object, found a boolean");
    CHECK(complaint("1.5") == "malformed: expected an object, found a number with a fraction or exponent");
}

TEST_CASE("depth is limited, also where nobody looks") {
    const auto nested = [](std::size_t depth) {
        return with_field("unread", std::string(depth, '[') + "0" + std::string(depth, ']'));
    };
    CHECK(complaint(nested(62)).empty());
    CHECK(complaint(nested(63)) == "malformed: nested deeper than 64");
    CHECK(complaint(nested(200'000)) == "malformed: nested deeper than 64");
    CHECK(complaint(std::string(500'000, '[')).starts_with("malformed: "));
}

TEST_CASE("size is decided before anything is parsed") {
    codec::Limits limits;
    limits.body_bytes_max = 300;
    const std::string fitting = cart_event(one_line) + std::string(300 - cart_event(one_line).size(), ' ');
    CHECK(complaint(fitting, limits).empty());
    CHECK(complaint(fitting + " ", limits) == "body_too_large: 301 bytes; at most 300 are read");
    CHECK(complaint(std::string(301, '{'), limits).starts_with("body_too_large: "));
}

TEST_CASE("attributes of the envelope") {
    const auto without = [](std::string_view attribute) {
        std::string body = R"({"data":{})";
        for (const std::string_view name : {"specversion", "id", "source", "type"}) {
            if (name == attribute) continue;
            const std::string value = name == "specversion" ? "1.0"
                                      : name == "type"      ? "cartwright.catalogue.changed.v1"
                                                            : "a";
            body += ",\"" + std::string(name) + "\":\"" + value + '"';
        }
        return body + '}';
    };
    CHECK(complaint(without("")).empty());
    CHECK(complaint(without("specversion")) == "malformed: specversion: missing");
    CHECK(complaint(without("id")) == "malformed: id: missing");
    CHECK(complaint(without("source")) == "malformed: source: missing");
    CHECK(complaint(without("type")) == "malformed: type: missing");

    const auto with = [](std::string_view name, std::string_view value) {
        auto body = event("cartwright.catalogue.changed.v1", "{}");
        const auto first = body.find('"' + std::string(name) + "\":") + name.size() + 3;
        return body.replace(first, body.find(',', first) - first, value);
    };
    CHECK(complaint(with("specversion", "\"0.3\"")) == "malformed: specversion: expected 1.0, found \"0.3\"");
    CHECK(complaint(with("specversion", "1.0")) ==
          "malformed: specversion: expected a string, found a number with a fraction or exponent");
    CHECK(complaint(with("id", "\"\"")) ==
          "malformed: id: expected 1 to 200 bytes without control characters, found 0 bytes: \"\"");
    CHECK(complaint(with("id", '"' + std::string(200, 'i') + '"')).empty());
    CHECK(complaint(with("id", '"' + std::string(201, 'i') + '"')) ==
          "malformed: id: expected 1 to 200 bytes without control characters, found 201 bytes: \"" +
              std::string(80, 'i') + "\"…");
    CHECK(complaint(with("id", R"("a\u0000b")")) ==
          R"(malformed: id: expected 1 to 200 bytes without control characters, found 3 bytes: "a\u0000b")");
    CHECK(complaint(with("id", "17")) == "malformed: id: expected a string, found an integer");
    CHECK(complaint(with("source", "\"\"")).starts_with("malformed: source: expected 1 to "));
    CHECK(complaint(event("cartwright.catalogue.changed.v1", "{}", R"(,"time":"yesterday")")) ==
          R"(malformed: time: expected an RFC 3339 time of 1970 to 2200, found "yesterday")");
    CHECK(complaint(event("cartwright.catalogue.changed.v1", "{}", R"(,"traceparent":1)")) ==
          "malformed: traceparent: expected a string, found an integer");
}

TEST_CASE("data has to be there and an object") {
    CHECK(complaint(R"({"specversion":"1.0","id":"1","source":"s","type":"cartwright.cart.submitted.v1"})") ==
          "malformed: data: missing");
    CHECK(complaint(event("cartwright.cart.submitted.v1", "null")) == "malformed: data: missing");
    CHECK(complaint(event("cartwright.cart.submitted.v1", "\"{}\"")) ==
          "malformed: data: expected an object, found a string");
}

TEST_CASE("types that are not known, and other majors of those that are") {
    for (const auto* type :
         {"", "x", "v2", ".v2", "cartwright.cart.submitted", "cartwright.cart.submitted.v",
          "cartwright.cart.submitted.vv2", "cartwright.cart.eaten.v1", "cartwright.cart.submitted.v1x",
          "cartwright.cart.submitted.w1", "Cartwright.cart.submitted.v1"}) {
        CAPTURE(type);
        CHECK(complaint(event(type, "{}")) ==
              "unknown_type: type: \"" + std::string(type) + "\" is not known");
    }
    for (const auto* type :
         {"cartwright.cart.submitted.v2", "cartwright.cart.submitted.v0", "cartwright.stock.fill.v99",
          "cartwright.cart.submitted.v01", "cartwright.seller.order.v2",
          "cartwright.order.cancelled.v11111111111111111111111"}) {
        CAPTURE(type);
        CHECK(complaint(event(type, "{}")) == "unsupported_version: type: \"" + std::string(type) +
                                                  "\" has another major version than the known one");
    }
    CHECK(complaint(nothing_known).starts_with("unknown_type: "));
}

TEST_CASE("a complaint names the place and what was found there") {
    CHECK(complaint(with_line_field("quantity", "\"3\"")) ==
          "malformed: data.lines[0].quantity: expected an integer, found a string");
    CHECK(
        complaint(with_line_field("quantity", "3.0")) ==
        "malformed: data.lines[0].quantity: expected an integer, found a number with a fraction or exponent");
    CHECK(complaint(with_line_field("quantity", "9223372036854775808")) ==
          "malformed: data.lines[0].quantity: expected an integer, found an integer beyond 64 bits");
    CHECK(complaint(with_line_field("quantity", "18446744073709551616"))
              .starts_with("malformed: not JSON, or a number"));
    CHECK(complaint(with_line_field("quantity", "null")) == "malformed: data.lines[0].quantity: missing");
    CHECK(complaint(with_line_field("quantity", "true")) ==
          "malformed: data.lines[0].quantity: expected an integer, found a boolean");
    CHECK(complaint(with_line_field("quantity", "{}")) ==
          "malformed: data.lines[0].quantity: expected an integer, found an object");
    CHECK(complaint(with_line_field("sku", "[]")) ==
          "malformed: data.lines[0].sku: expected a string, found an array");
    CHECK(complaint(with_line_field("seller_id", "\"\""))
              .starts_with("malformed: data.lines[0].seller_id: expected 1 to"));
    CHECK(complaint(with_line_field("line_id", R"("a\nb")"))
              .starts_with("malformed: data.lines[0].line_id: expected 1"));
    CHECK(complaint(with_line_field("unit_price_minor", "-1")) ==
          "malformed: data.lines[0].unit_price_minor: expected 0 to 100000000000, found -1");
    CHECK(complaint(with_line_field("unit_price_minor", "100000000000")).empty());
    CHECK_FALSE(complaint(with_line_field("unit_price_minor", "100000000001")).empty());
    CHECK(complaint(cart_event("{}")) == "malformed: data.lines: expected an array, found an object");
    CHECK(complaint(cart_event("null")) == "malformed: data.lines: missing");
    CHECK(complaint(cart_event("[7]")) == "malformed: data.lines[0]: expected an object, found an integer");
    CHECK(complaint(cart_event(R"([{"line_id":"1","sku":"a","quantity":1},{"line_id":"2"}])")) ==
          "malformed: data.lines[1].sku: missing");
    CHECK(complaint(event("cartwright.catalogue.changed.v1", R"({"skus":["a",1]})")) ==
          "malformed: data.skus[1]: expected a string, found an integer");
    CHECK(complaint(event("cartwright.catalogue.changed.v1", R"({"skus":"a"})")) ==
          "malformed: data.skus: expected an array, found a string");
    CHECK(complaint(
              event("cartwright.order.ready.v1",
                    R"({"order_id":"o","channel":"c","currency":"BRL","sellers":[{"seller_id":"s","lines":[
                          {"line_id":"1","sku":"a","quantity":1,"unit_price_minor":1,
                           "allocations":[{"warehouse":"w"}]}]}]})")) ==
          "malformed: data.sellers[0].lines[0].allocations[0].quantity: missing");
}

TEST_CASE("fields of a cart") {
    CHECK(complaint(with_field("paid", "\"yes\"")) ==
          "malformed: data.paid: expected a boolean, found a string");
    CHECK(complaint(with_field("policy", "\"some\"")) ==
          R"(malformed: data.policy: expected one of all_or_nothing, partial, hold, found "some")");
    CHECK(complaint(with_field("placed_at", "\"2026-13-01T00:00:00Z\""))
              .starts_with("malformed: data.placed_at: expected an"));
    CHECK(complaint(with_field("placed_at", "0")) ==
          "malformed: data.placed_at: expected a string, found an integer");
    for (const auto* currency : {"brl", "BR", "BRLX", "", "BR1", "B\\u0000L", "ÄÖÜ"}) {
        CAPTURE(currency);
        const auto body =
            event("cartwright.cart.submitted.v1", R"({"order_id":"o","channel":"web","currency":")" +
                                                      std::string(currency) + R"(","lines":[]})");
        CHECK(complaint(body).starts_with("malformed: data.currency: "));
    }
    CHECK(complaint(event("cartwright.cart.submitted.v1",
                          R"({"order_id":"o","channel":"","currency":"BRL","lines":[]})"))
              .starts_with("malformed: data.channel: expected 1 to 200 bytes"));
}

TEST_CASE("a total that would overflow later is refused at once") {
    const auto line = [](const char* id, const char* quantity, const char* price) {
        return R"({"line_id":")" + std::string(id) + R"(","sku":"a","quantity":)" + quantity +
               R"(,"unit_price_minor":)" + price + '}';
    };
    CHECK(complaint(cart_event("[" + line("1", "9223372036854775807", "1") + "]")).empty());
    CHECK(complaint(cart_event("[" + line("1", "9223372036854775807", "2") + "]")) ==
          "malformed: data.lines[0].quantity: the total of quantity x unit_price_minor does not fit in 64 "
          "bits");
    CHECK(complaint(
              cart_event("[" + line("1", "9223372036854775807", "1") + "," + line("2", "1", "1") + "]")) ==
          "malformed: data.lines[1].quantity: the total of quantity x unit_price_minor does not fit in 64 "
          "bits");
}

TEST_CASE("a name that stands twice is refused in every object that is read, however it is spelt") {
    CHECK(complaint(with_field("order_id", "\"o-2\"")) ==
          R"(malformed: data: the name "order_id" stands there twice)");
    CHECK(complaint(with_field("\\u006frder_id", "\"o-1\"")) ==
          R"(malformed: data: the name "order_id" stands there twice)");
    CHECK(complaint(with_field("x", R"(1,"x":1)")) == R"(malformed: data: the name "x" stands there twice)");
    CHECK(complaint(event("cartwright.catalogue.changed.v1", "{}", R"(,"id":"e-2")")) ==
          R"(malformed: the name "id" stands there twice)");
    CHECK(complaint(cart_event(R"([{"line_id":"1","sku":"a","quantity":1,"quantity":2}])")) ==
          R"(malformed: data.lines[0]: the name "quantity" stands there twice)");
    std::string many;
    for (int i = 0; i < 5'000; ++i) many += ",\"k" + std::to_string(i) + "\":0";
    CHECK(complaint(cart_event(one_line, many)).empty());
    CHECK(complaint(cart_event(one_line, many + R"(,"k77":0)")) ==
          R"(malformed: data: the name "k77" stands there twice)");
    // Nobody reads this object.
    CHECK(complaint(with_field("unread", R"({"a":1,"a":2})")).empty());
}

TEST_CASE("U+0000 is refused in every text that is kept") {
    const std::string nul = R"("a\u0000b")";
    CHECK(complaint(event("cartwright.order.cancellation.v1", R"({"order_id":"o","reason":)" + nul + "}")) ==
          "malformed: data.reason: has the character U+0000, which can't be stored");
    CHECK(complaint(
              event("cartwright.order.ready.v1", R"({"order_id":"o","channel":"c","currency":"BRL","sellers":[
                          {"seller_id":"s","tags":["good",)" +
                                                     nul + R"(],"lines":[]}]})")) ==
          "malformed: data.sellers[0].tags[1]: has the character U+0000, which can't be stored");
    CHECK(complaint(with_line_field("sku", nul))
              .starts_with("malformed: data.lines[0].sku: expected 1 to 200"));
    CHECK(complaint(with_field("unread", nul)).empty());
}

TEST_CASE("movements: what each must have, and how many there may be") {
    const std::string start =
        R"({"kind":"receipt","seller_id":"s","sku":"a","warehouse":"w","occurred_at":"2026-01-01T00:00:00Z")";
    const auto moved = [](const std::string& movements) {
        return event("cartwright.stock.moved.v1", R"({"movements":[)" + movements + "]}");
    };
    CHECK(complaint(moved(start + "}")) == "malformed: data.movements[0].quantity: missing");
    CHECK(complaint(moved(R"({"kind":"gift"})")) ==
          "malformed: data.movements[0].kind: expected one of receipt, count, adjustment, dispatch, release, "
          "return, "
          "found \"gift\"");
    CHECK(complaint(moved(R"({"kind":"receipt","seller_id":"s","quantity":1})")) ==
          "malformed: data.movements[0].occurred_at: missing");
    codec::Limits limits;
    limits.movements_max = 2;
    const auto good = start + R"(,"quantity":1})";
    CHECK(complaint(moved(good + "," + good), limits).empty());
    CHECK(complaint(moved(good + "," + good + "," + good), limits) ==
          "malformed: data.movements: more than 2 elements");
}

TEST_CASE("lines have a bound at which decoding stops") {
    codec::Limits limits;
    limits.lines_decoded_max = 2;
    const std::string line = R"({"line_id":"1","sku":"a","quantity":1})";
    CHECK(complaint(cart_event("[" + line + "," + line + "]"), limits).empty());
    CHECK(complaint(cart_event("[" + line + "," + line + "," + line + "]"), limits) ==
          "malformed: data.lines: more than 2 elements");
}

TEST_CASE("a cancellation of no lines is not one of all") {
    CHECK(
        complaint(event("cartwright.order.cancellation.v1", R"({"order_id":"o","reason":"r","lines":[]})")) ==
        "malformed: data.lines: empty; leave it out to cancel the whole order");
    CHECK(complaint(event("cartwright.order.cancellation.v1", R"({"order_id":"o","reason":null})")).empty());
}

TEST_CASE("a seller's message without its place in its stream") {
    const auto type = "cartwright.seller.order.v1";
    CHECK(complaint(event(type, "{}", R"(,"stream":"main","number":1)")) == "malformed: sellerid: missing");
    CHECK(complaint(event(type, "{}", R"(,"sellerid":"s","number":1)")) == "malformed: stream: missing");
    CHECK(complaint(event(type, "{}", R"(,"sellerid":"s","stream":"main","number":"1")")) ==
          "malformed: number: expected an integer, found a string");
    CHECK(complaint(event(type, "{}", R"(,"sellerid":"s","stream":"main","number":0)")) ==
          "malformed: number: expected 1 or more, found 0");
}
