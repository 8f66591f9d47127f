// What every fuzz target says when something does not hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/text/utf8.hpp"

namespace cartwright::fuzz {

/// Ends the process with the property's words, so that the fuzzer keeps the input.
inline void property(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "property broken: %s\n", what);
    std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

inline bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto length = text::utf8_sequence(text, at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

/// A complaint as people get to see it.
inline void check_complaint(std::string_view text, std::size_t bytes_max) {
    property(!text.empty(), "every error has a message");
    property(text.size() <= bytes_max, "messages of errors are short");
    property(is_utf8(text), "messages of errors are UTF-8");
}

}  // namespace cartwright::fuzz
