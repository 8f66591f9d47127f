// Which kind of trouble a SQLSTATE is. Source: PostgreSQL 15, appendix A.
#pragma once

#include <string_view>

namespace cartwright::postgres {

inline constexpr std::string_view unique_violation = "23505";
inline constexpr std::string_view lock_not_available = "55P03";
inline constexpr std::string_view query_canceled = "57014";

enum class Trouble {
    retry,        ///< the same work may succeed at once: deadlock, lock or statement time limit
    reconnect,    ///< likewise, but on a new connection: a stale plan, a lost prepared statement
    unavailable,  ///< the server can't serve now: away, read-only, full, or not set up for this program
    refused,      ///< this value or this row will never be taken
};

constexpr Trouble classify(std::string_view sqlstate) {
    const auto is = [&](std::string_view prefix) { return sqlstate.starts_with(prefix); };
    if (is("40") || is(lock_not_available) || is(query_canceled)) return Trouble::retry;
    if (is("26") || is("0A000") || is("25P02")) return Trouble::reconnect;
    // 42 (no such table, no right to it) is a deployment's mistake, never a message's: nothing may be parked
    // for it.
    if (is("08") || is("25") || is("28") || is("3D") || is("42") || is("53") || is("55") || is("57") ||
        is("58")) {
        return Trouble::unavailable;
    }
    if (is("XX") || is("F0")) return Trouble::unavailable;
    return Trouble::refused;
}

}  // namespace cartwright::postgres
