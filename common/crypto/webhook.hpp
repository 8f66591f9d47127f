// Standard Webhooks 1.0 (https://www.standardwebhooks.com): signing and checking. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cartwright::crypto {

/// The key's bytes from "whsec_<base64>"; nothing unless it is that, of 24 to 64 bytes.
std::optional<std::string> webhook_key(std::string_view secret);

/// The value of `webhook-signature`: "v1,<base64 of HMAC-SHA256(id.timestamp.body)>" for every key, separated
/// by spaces.
std::string webhook_signature(std::span<const std::string> keys, std::string_view id,
                              std::int64_t timestamp_s, std::string_view body);

/// Does one of the signatures in the header's value fit one of the keys? In constant time for a given length.
bool webhook_signature_fits(std::span<const std::string> keys, std::string_view id, std::int64_t timestamp_s,
                            std::string_view body, std::string_view signatures);

}  // namespace cartwright::crypto
