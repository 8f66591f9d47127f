#include "common/crypto/webhook.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace cartwright::crypto;

namespace {

// The example of the specification's reference libraries
// (https://github.com/standard-webhooks/standard-webhooks).
constexpr const char* secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t timestamp_s = 1614265330;
constexpr const char* body = R"({"test": 2432232314})";
constexpr const char* signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

std::vector<std::string> keys() {
    return {*webhook_key(secret)};
}

}  // namespace

TEST_CASE("the published example") {
    REQUIRE(webhook_key(secret));
    CHECK(webhook_key(secret)->size() == 24);
    CHECK(webhook_signature(keys(), id, timestamp_s, body) == signature);
    CHECK(webhook_signature_fits(keys(), id, timestamp_s, body, signature));
}

TEST_CASE("nothing else fits") {
    CHECK_FALSE(webhook_signature_fits(keys(), "msg_other", timestamp_s, body, signature));
    CHECK_FALSE(webhook_signature_fits(keys(), id, timestamp_s + 1, body, signature));
    CHECK_FALSE(webhook_signature_fits(keys(), id, timestamp_s, R"({"test": 2432232315})", signature));
    CHECK_FALSE(webhook_signature_fits({}, id, timestamp_s, body, signature));
    for (const auto* wrong :
         {"", " ", "   ", ",", "v1", "v1,", "v1, ", "v1 g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
          "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
          "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=,",
          "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
          "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n",
          "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="})
        CHECK_FALSE(webhook_signature_fits(keys(), id, timestamp_s, body, wrong));
}

TEST_CASE("one that fits among others, and more spaces than needed") {
    const auto fits = [](const std::string& signatures) {
        return webhook_signature_fits(keys(), id, timestamp_s, body, signatures);
    };
    CHECK(fits(" " + std::string(signature)));
    CHECK(fits(std::string(signature) + "  "));
    CHECK(fits("v1,AAAA v1a,x  v1, " + std::string(signature) + " nonsense"));
    CHECK_FALSE(fits("v1,AAAA v1a,x  v1,  nonsense"));
}

TEST_CASE("while a secret is rotated both sign, and either side may be first") {
    const std::string other(32, 'x');
    const std::vector<std::string> both{other, keys()[0]};
    const auto signatures = webhook_signature(both, id, timestamp_s, body);
    CHECK(signatures.ends_with(signature));
    CHECK(webhook_signature_fits(keys(), id, timestamp_s, body, signatures));
    CHECK(webhook_signature_fits(std::vector{other}, id, timestamp_s, body, signatures));
    CHECK(webhook_signature_fits(both, id, timestamp_s, body, signature));
    CHECK_FALSE(webhook_signature_fits(std::vector{std::string(32, 'y')}, id, timestamp_s, body, signatures));
}

TEST_CASE("secrets that are none") {
    for (const auto* wrong :
         {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w", "whsec_c2hvcnQ=",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", "whsec_====MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
        CHECK_FALSE(webhook_key(wrong));
}

TEST_CASE("a key has 24 to 64 bytes") {
    const auto bytes_of = [](std::size_t letters, const char* padding) {
        const auto key = webhook_key("whsec_" + std::string(letters, 'A') + padding);
        return key ? key->size() : 0;
    };
    CHECK(bytes_of(31, "=") == 0);  // 23
    CHECK(bytes_of(32, "") == 24);
    CHECK(bytes_of(34, "==") == 25);
    CHECK(bytes_of(86, "==") == 64);
    CHECK(bytes_of(87, "=") == 0);  // 65
}
