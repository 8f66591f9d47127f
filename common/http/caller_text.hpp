// What a call's trouble says to people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cartwright::http {

/// What came from outside, as it may stand in a log: valid UTF-8 of no more than `bytes_max` bytes, cut
/// between characters, `?` for control characters and for bytes that are none.
std::string presentable(std::string_view text, std::size_t bytes_max);

/// "host:port" of a URL, without user and password; empty where it names none.
std::string host_of(std::string_view url);

}  // namespace cartwright::http
