// Secrets and signatures of webhooks. Lines: secret, id, signatures; the rest is the body.
#include <string>
#include <vector>

#include "common/crypto/webhook.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

std::string_view take_line(std::string_view& text) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto rest = text_of(data, size);
    const auto secret = take_line(rest), id = take_line(rest), given = take_line(rest);
    const auto key = crypto::webhook_key(secret);
    if (key)
        property(key->size() >= 24 && key->size() <= 64 && secret.starts_with("whsec_"), "a key is a key");
    const std::string other(24, 'k');
    const std::vector<std::string> keys = key ? std::vector{other, *key} : std::vector{other};
    const auto fits = [&](std::string_view signatures, std::int64_t time_s, std::string_view body) {
        return crypto::webhook_signature_fits(keys, id, time_s, body, signatures);
    };
    const auto signatures = crypto::webhook_signature(keys, id, 1'700'000'000, rest);
    property(fits(signatures, 1'700'000'000, rest), "a signature fits what it signs");
    property(fits(signatures.substr(0, signatures.find(' ')), 1'700'000'000, rest), "each of several fits");
    property(!fits(signatures, 1'700'000'001, rest), "a signature is of one time");
    property(!fits(signatures, 1'700'000'000, std::string(rest) + "x"), "a signature is of one body");
    if (fits(given, 1'700'000'000, rest)) {
        bool known = false;
        for (const auto& one : keys)
            known |= given.find(crypto::webhook_signature({&one, 1}, id, 1'700'000'000, rest)) != given.npos;
        property(known, "only the right signature fits");
    }
    return 0;
}
