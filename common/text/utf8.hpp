// Where text is UTF-8 and where it is not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cartwright::text {

/// The length of the well-formed UTF-8 sequence (1 to 4 bytes) that begins at `at`; 0 where none begins
/// there.
std::size_t utf8_sequence(std::string_view text, std::size_t at);

/// What a library says of text from outside, as it may be shown: UTF-8 of at most `bytes_max` bytes, cut
/// between characters, U+FFFD for bytes that are none.
std::string utf8_text(std::string_view text, std::size_t bytes_max);

}  // namespace cartwright::text
