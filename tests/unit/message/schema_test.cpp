// The JSON Schemas say of every event what the codec does.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "common/codec/decode.hpp"
#include "common/codec/encode.hpp"
#include "tests/unit/codec/random_payloads.hpp"

using namespace cartwright;
using cartwright::testing::RandomPayloads;
using cartwright::testing::Values;
using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;
namespace type = message::type;

namespace {

constexpr std::array types{type::cart_submitted,      type::stock_moved,    type::order_cancellation,
                           type::catalogue_changed,   type::order_ready,    type::order_reserved,
                           type::order_pending,       type::order_rejected, type::order_cancelled,
                           type::stock_changed,       type::stock_fill,     type::stock_shortfall,
                           type::stock_applied,       type::message_parked, type::seller_order,
                           type::seller_cancellation, type::seller_voided};

/// Those that others send: what their schemas ask for the decoder asks for too.
constexpr std::array from_outside{type::cart_submitted, type::stock_moved, type::order_cancellation,
                                  type::catalogue_changed};

Json read_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    REQUIRE_MESSAGE(file.good(), path);
    return Json::parse(file);
}

const std::filesystem::path folder = CARTWRIGHT_SCHEMA_FOLDER;

class Schema {
  public:
    explicit Schema(std::string_view name) : json_(read_file(folder / (std::string(name) + ".json"))) {
        valijson::SchemaParser parser;
        parser.populateSchema(Adapter(json_), schema_);
    }
    const Json& json() const { return json_; }
    const Json& examples() const { return json_.at("examples"); }

    /// "" when the event is as the schema says.
    std::string objection(const Json& event) const {
        valijson::Validator validator;
        valijson::ValidationResults results;
        if (validator.validate(schema_, Adapter(event), &results)) return "";
        valijson::ValidationResults::Error error;
        std::string all = "refused";
        while (results.popError(error)) all += "; " + error.description;
        return all;
    }

  private:
    Json json_;
    valijson::Schema schema_;
};

std::string objection(const Schema& schema, const std::string& event) {
    return schema.objection(Json::parse(event));
}

/// "" when the decoder reads the event.
std::string complaint(const Json& event) {
    codec::Decoder decoder({});
    const auto text = event.dump();
    const auto all = decoder.decode(text);
    REQUIRE(all.size() == 1);
    const auto* problem = std::get_if<codec::Problem>(&all[0].content);
    return problem == nullptr ? "" : problem->detail;
}

/// Properties that mean the same wherever they stand.
constexpr std::array<std::string_view, 11> one_meaning{"order_id",  "line_id",     "sku",      "seller_id",
                                                       "warehouse", "channel",     "currency", "placed_at",
                                                       "policy",    "total_minor", "version"};

bool has_one_meaning(std::string_view key) {
    return std::find(one_meaning.begin(), one_meaning.end(), key) != one_meaning.end();
}

/// What a property asks of its value: without its description, and whether or not it may also be null.
Json rule_of(Json property) {
    property.erase("description");
    if (property.contains("anyOf")) return property["anyOf"][0];
    if (property.contains("type") && property["type"].is_array()) property["type"] = property["type"][0];
    auto& choices = property["enum"];
    if (choices.is_null()) {
        property.erase("enum");
    } else {
        choices.erase(std::remove(choices.begin(), choices.end(), Json()), choices.end());
    }
    return property;
}

void for_each_property(const Json& schema, const std::function<void(const std::string&, const Json&)>& see) {
    if (schema.contains("items")) for_each_property(schema["items"], see);
    if (!schema.contains("properties")) return;
    for (const auto& [key, property] : schema["properties"].items()) {
        see(key, property);
        for_each_property(property, see);
    }
}

/// Calls `check` with the event without each of the members that `object_schema` requires at `where`.
template <class Check>
void without_each(const Json& object_schema, const Json& event, const Json::json_pointer& where,
                  const Check& check) {
    for (const auto& name : object_schema.at("required")) {
        auto damaged = event;
        damaged.at(where).erase(name.get<std::string>());
        CAPTURE(name);
        CAPTURE(damaged.dump());
        check(damaged);
    }
}

}  // namespace

TEST_CASE("every type has a schema of its name, and every schema a type") {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        files += entry.path().extension() == ".json" ? 1 : 0;
    }
    CHECK(files == types.size());
    for (const auto name : types) {
        const Schema schema(name);
        CHECK(schema.json().at("title") == name);
        CHECK(schema.json().at("properties").at("type").at("const") == name);
        CHECK_FALSE(schema.json().at("description").get<std::string>().empty());
    }
}

TEST_CASE("what schemas share they say alike") {
    const Schema shared("shared/cloudevent");
    const auto& attributes = shared.json().at("properties");
    std::map<std::string, Json> rules;
    for (const auto name : types) {
        const Schema schema(name);
        CAPTURE(name);
        for (const auto* key : {"specversion", "source", "time", "traceparent"}) {
            CHECK(schema.json().at("properties").at(key) == attributes.at(key));
        }
        for_each_property(schema.json(), [&](const std::string& key, const Json& property) {
            if (!has_one_meaning(key)) return;
            CAPTURE(key);
            const auto rule = rule_of(property);
            CHECK(rules.emplace(key, rule).first->second == rule);
        });
    }
    CHECK(rules.size() == one_meaning.size());
}

TEST_CASE("every example is valid, is read, and is what the fleet would write") {
    for (const auto name : types) {
        const Schema schema(name);
        const Schema shared("shared/cloudevent");
        CHECK_FALSE(schema.examples().empty());
        for (const auto& example : schema.examples()) {
            CAPTURE(example.dump());
            CHECK(schema.objection(example) == "");
            CHECK(shared.objection(example) == "");
            codec::Decoder decoder({});
            const auto text = example.dump();
            const auto all = decoder.decode(text);
            REQUIRE(all.size() == 1);
            if (const auto* problem = std::get_if<codec::Problem>(&all[0].content)) FAIL(problem->detail);
            const auto& event = std::get<message::Event>(all[0].content);
            if (std::holds_alternative<message::SellerMessage>(event.payload)) continue;
            const auto again =
                Json::parse(codec::encode_event(event.envelope, codec::encode_data(event.payload)));
            CHECK(schema.objection(again) == "");
            // Nothing that an example names is lost: senders may leave out defaults and write times
            // otherwise.
            for (const auto& [key, value] : example.at("data").items()) CHECK(again.at("data").contains(key));
            const bool ours = std::find(from_outside.begin(), from_outside.end(), name) == from_outside.end();
            if (ours) CHECK(again == example);
        }
    }
}

TEST_CASE("whatever the fleet encodes is valid") {
    std::map<std::string_view, Schema> schemas;
    for (const auto name : types)
        schemas.emplace(std::piecewise_construct, std::tuple(name), std::tuple(name));
    RandomPayloads random(31, Values::plausible);
    std::map<std::string_view, int> seen;
    for (int round = 0; round < 1'500; ++round) {
        const auto [name, payload] = random.next();
        const auto json = codec::encode_event(random.envelope(name), codec::encode_data(payload));
        CAPTURE(json);
        REQUIRE(objection(schemas.at(name), json) == "");
        ++seen[name];
    }
    for (int round = 0; round < 300; ++round) {
        const auto order = random.order();
        const auto cancelled = random.cancelled();
        for (std::size_t i = 0; i < order.sellers.size(); ++i) {
            const auto json =
                codec::encode_seller_order({&order, i, "main", random.number(), random.time(), {}});
            CAPTURE(json);
            REQUIRE(objection(schemas.at(type::seller_order), json) == "");
            ++seen[type::seller_order];
        }
        for (std::size_t i = 0; i < cancelled.sellers.size(); ++i) {
            const auto json = codec::encode_seller_cancellation(
                {&cancelled, i, "main", random.number(), random.time(), {}});
            CAPTURE(json);
            REQUIRE(objection(schemas.at(type::seller_cancellation), json) == "");
            ++seen[type::seller_cancellation];
        }
        const auto voided = codec::encode_seller_voided(
            {SellerId("s"), "main", random.number(), random.time(), order.order_id,
             std::string(type::seller_order), order.channel, "kim \"k\""});
        REQUIRE(objection(schemas.at(type::seller_voided), voided) == "");
        ++seen[type::seller_voided];
    }
    CHECK(seen.size() == types.size());
}

TEST_CASE("what a schema requires is missed when it is not there, of senders by the decoder too") {
    for (const auto name : types) {
        const Schema schema(name);
        const bool outside = std::find(from_outside.begin(), from_outside.end(), name) != from_outside.end();
        const auto check = [&](const Json& damaged) {
            CHECK(schema.objection(damaged) != "");
            if (outside) CHECK(complaint(damaged).ends_with(": missing"));
        };
        const auto& example = schema.examples().front();
        without_each(schema.json(), example, Json::json_pointer(""), check);
        without_each(schema.json().at("properties").at("data"), example, Json::json_pointer("/data"), check);
    }
}

TEST_CASE("a schema and the decoder refuse the same wrong values") {
    const Schema schema(type::cart_submitted);
    const auto& cart = schema.examples().front();
    const auto check = [&](const char* where, const Json& value) {
        auto damaged = cart;
        damaged.at(Json::json_pointer(where)) = value;
        CAPTURE(damaged.dump());
        CHECK(schema.objection(damaged) != "");
        CHECK(complaint(damaged) != "");
    };
    check("/specversion", "0.3");
    check("/id", "");
    check("/id", std::string(201, 'x'));
    check("/id", "a\nb");
    check("/id", 7);
    check("/type", "cartwright.cart.submitted.v2");
    check("/time", "2026-02-03");
    check("/data", Json::array());
    check("/data/order_id", std::string("a\0b", 3));
    check("/data/currency", "brl");
    check("/data/policy", "some");
    check("/data/paid", "yes");
    check("/data/placed_at", "2026-02-03T04:05:06");
    check("/data/lines", Json::object());
    check("/data/lines/0", 1);
    check("/data/lines/0/quantity", "2");
    check("/data/lines/0/quantity", 1.5);
    check("/data/lines/0/unit_price_minor", -1);
    check("/data/lines/0/seller_id", "");
}

TEST_CASE("what a sender may leave out it may also call null, and add what it likes") {
    const Schema schema(type::cart_submitted);
    auto cart = schema.examples().front();
    for (const auto* where : {"/time", "/traceparent", "/data/paid", "/data/policy", "/data/placed_at",
                              "/data/lines/0/seller_id", "/data/lines/0/unit_price_minor"}) {
        cart[Json::json_pointer(where)] = nullptr;
    }
    cart["partitionkey"] = "p";
    cart["data"]["coupon"] = Json::array({1, nullptr});
    cart["data"]["lines"][0]["gift"] = true;
    CHECK(schema.objection(cart) == "");
    CHECK(complaint(cart) == "");
}

TEST_CASE("each kind of movement has its own needs") {
    const Schema schema(type::stock_moved);
    const auto& example = schema.examples().front();
    const std::map<std::string, std::vector<std::string>> needs{
        {"receipt", {"sku", "warehouse"}},
        {"count", {"sku", "warehouse"}},
        {"adjustment", {"sku", "warehouse", "reason"}},
        {"dispatch", {"order_id", "line_id"}},
        {"release", {"order_id", "line_id"}},
        {"return", {"order_id", "line_id"}},
    };
    CHECK(example.at("data").at("movements").size() == needs.size());
    for (const auto& movement : example.at("data").at("movements")) {
        for (const auto& name : needs.at(movement.at("kind"))) {
            auto event = example;
            auto lacking = movement;
            lacking.erase(name);
            event["data"]["movements"] = Json::array({lacking});
            CAPTURE(event.dump());
            CHECK(schema.objection(event) != "");
            // The decoder lets it through: that one movement is rejected, and not its neighbours with it.
            CHECK(complaint(event) == "");
        }
    }
}
