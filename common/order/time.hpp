// Points in time are UTC with microseconds; on the wire they are RFC 3339.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace cartwright {

using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// "2026-01-31T23:59:59.123456Z"; the fraction is left out when it is zero. Of the years 0 to 9999.
std::string to_rfc3339(Timestamp time);

/// Reads RFC 3339 with any offset and 0 to 9 fractional digits (cut to microseconds). Nothing when it is not
/// one or lies outside the years 1970 to 2200.
std::optional<Timestamp> from_rfc3339(std::string_view text);

Timestamp now();

}  // namespace cartwright
