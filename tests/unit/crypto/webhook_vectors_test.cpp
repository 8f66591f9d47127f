// Deliveries that others signed: WEBHOOK_VECTORS names a JSON file, an array of
// {id, headers, body, secret, signature_valid}.
#include <doctest/doctest.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/crypto/webhook.hpp"

using namespace cartwright::crypto;

namespace {

struct Delivery {
    std::string id, timestamp, signatures, body;
    std::vector<std::string> keys;

    explicit Delivery(const nlohmann::json& vector) : body(vector.at("body")) {
        for (const auto& [name, value] : vector.at("headers").items()) {
            std::string lower(name);
            for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
            if (lower == "webhook-id") id = value;
            if (lower == "webhook-timestamp") timestamp = value;
            if (lower == "webhook-signature") signatures = value;
        }
        const std::string secret = vector.at("secret");
        const auto key = webhook_key(secret.starts_with("whsec_") ? secret : "whsec_" + secret);
        REQUIRE(key);
        keys.push_back(*key);
    }

    bool fits() const {
        std::int64_t time_s = 0;
        const auto* end = timestamp.data() + timestamp.size();
        const auto read = std::from_chars(timestamp.data(), end, time_s);
        if (id.empty() || read.ec != std::errc() || read.ptr != end) return false;
        if (signatures.find(' ') == std::string::npos &&
            webhook_signature_fits(keys, id, time_s, body, signatures))
            CHECK(webhook_signature(keys, id, time_s, body) == signatures);
        return webhook_signature_fits(keys, id, time_s, body, signatures);
    }
};

}  // namespace

TEST_CASE("deliveries that others signed") {
    const char* file = std::getenv("WEBHOOK_VECTORS");
    if (file == nullptr) {
        MESSAGE("skipped: WEBHOOK_VECTORS is not set");
        return;
    }
    std::ifstream stream(file);
    REQUIRE(stream);
    const auto vectors = nlohmann::json::parse(stream);
    int fitting = 0, others = 0;
    for (const auto& vector : vectors) {
        const std::string name = vector.at("id");
        CAPTURE(name);
        const bool expected = vector.at("signature_valid");
        CHECK(Delivery(vector).fits() == expected);
        ++(expected ? fitting : others);
    }
    CHECK(fitting > 0);
    CHECK(others > 0);
}
