#include "common/crypto/webhook.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

#include "common/outcome/trouble.hpp"

namespace cartwright::crypto {
namespace {

constexpr std::string_view secret_prefix = "whsec_";
constexpr std::string_view version = "v1,";
constexpr std::size_t key_bytes_min = 24, key_bytes_max = 64;

std::string base64(std::string_view bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), from, static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    const auto padding = text.ends_with("==") ? 2U : (text.ends_with('=') ? 1U : 0U);
    if (text.empty() || text.size() % 4 != 0) return std::nullopt;
    const bool plain = std::all_of(text.begin(), text.end() - padding, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '+' || c == '/';
    });
    if (!plain) return std::nullopt;
    std::string bytes(text.size() / 4 * 3, '\0');
    const auto* from = reinterpret_cast<const unsigned char*>(text.data());
    const int size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), from, static_cast<int>(text.size()));
    if (size < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

std::string signature_of(const std::string& key, std::string_view signed_text) {
    std::array<unsigned char, 32> mac{};
    unsigned int size = 0;
    const auto* text = reinterpret_cast<const unsigned char*>(signed_text.data());
    CARTWRIGHT_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), text, signed_text.size(),
                           mac.data(), &size) != nullptr);
    CARTWRIGHT_ASSERT(size == mac.size());
    return std::string(version) + base64({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

std::string signed_text_of(std::string_view id, std::int64_t timestamp_s, std::string_view body) {
    std::string text(id);
    text += '.';
    text += std::to_string(timestamp_s);
    text += '.';
    text += body;
    return text;
}

}  // namespace

std::optional<std::string> webhook_key(std::string_view secret) {
    if (!secret.starts_with(secret_prefix)) return std::nullopt;
    auto key = from_base64(secret.substr(secret_prefix.size()));
    if (!key || key->size() < key_bytes_min || key->size() > key_bytes_max) return std::nullopt;
    return key;
}

std::string webhook_signature(std::span<const std::string> keys, std::string_view id,
                              std::int64_t timestamp_s, std::string_view body) {
    const auto text = signed_text_of(id, timestamp_s, body);
    std::string signatures;
    for (const auto& key : keys) {
        if (!signatures.empty()) signatures += ' ';
        signatures += signature_of(key, text);
    }
    return signatures;
}

bool webhook_signature_fits(std::span<const std::string> keys, std::string_view id, std::int64_t timestamp_s,
                            std::string_view body, std::string_view signatures) {
    const auto text = signed_text_of(id, timestamp_s, body);
    bool fits = false;
    while (!signatures.empty()) {
        const auto one = signatures.substr(0, signatures.find(' '));
        signatures.remove_prefix(std::min(signatures.size(), one.size() + 1));
        for (const auto& key : keys) {
            const auto own = signature_of(key, text);
            if (own.size() == one.size() && CRYPTO_memcmp(own.data(), one.data(), own.size()) == 0)
                fits = true;
        }
    }
    return fits;
}

}  // namespace cartwright::crypto
