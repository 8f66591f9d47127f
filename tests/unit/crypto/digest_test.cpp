#include "common/crypto/digest.hpp"

#include <doctest/doctest.h>
#include <regex.h>

#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace crypto = cartwright::crypto;

namespace {

// <regex> does not compile without warnings under AddressSanitizer.
bool matches(const std::string& text, const char* pattern) {
    regex_t compiled{};
    REQUIRE(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    const bool matched = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return matched;
}

}  // namespace

TEST_CASE("SHA-256 of the published examples") {
    CHECK(crypto::hex(crypto::sha256("")) ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(crypto::hex(crypto::sha256("abc")) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(crypto::hex(crypto::sha256(std::string(1'000'000, 'a'))) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(crypto::sha256(std::string("a\0b", 3)) != crypto::sha256("a"));
}

TEST_CASE("hex has two lower-case digits a byte") {
    const std::vector<std::uint8_t> bytes{0x00, 0x0f, 0xa0, 0xff};
    CHECK(crypto::hex(bytes) == "000fa0ff");
    CHECK(crypto::hex({}).empty());
}

TEST_CASE("random ids are UUIDs of version 4, different over threads") {
    const char* form = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
    CHECK(matches(crypto::random_id(), form));
    std::mutex mutex;
    std::set<std::string> ids;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) {
                std::string id = crypto::random_id();
                const std::lock_guard lock(mutex);
                ids.insert(std::move(id));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(ids.size() == 4000);
}
