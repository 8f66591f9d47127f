// Digests and random identifiers. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cartwright::crypto {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);

/// Two lower-case digits a byte.
std::string hex(std::span<const std::uint8_t> bytes);

/// A random UUID (version 4) as text, from the operating system's randomness.
std::string random_id();

}  // namespace cartwright::crypto
