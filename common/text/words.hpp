// Looking for the few bytes of a text that mean something, eight bytes at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cartwright::text {

/// Eight bytes, the first the lowest. As an answer: bytes that are meant have their highest bit set. Bytes
/// behind one that is meant may have it too (a borrow runs on), never one before the first.
using Word = std::uint64_t;

constexpr Word each(unsigned char byte) {
    return Word{0x0101010101010101} * byte;
}

/// Bytes below `limit`, which is at most 0x80.
constexpr Word below(Word word, unsigned char limit) {
    return (word - each(limit)) & ~word & each(0x80);
}

constexpr Word equal(Word word, unsigned char byte) {
    return below(word ^ each(byte), 1);
}

constexpr Word beyond_ascii(Word word) {
    return word & each(0x80);
}

/// The first byte from `at` on of which `is` is true, the size of the text where there is none. `marks` marks
/// such bytes of a Word; it may mark others too.
template <class Marks, class Is>
std::size_t find(std::string_view text, std::size_t at, const Marks& marks, const Is& is) {
    const auto is_at = [&](std::size_t index) { return is(static_cast<unsigned char>(text[index])); };
    for (; at + sizeof(Word) <= text.size(); at += sizeof(Word)) {
        Word word = 0;
        std::memcpy(&word, text.data() + at, sizeof word);
        if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
        for (Word marked = marks(word); marked != 0; marked &= marked - 1) {
            const auto index = at + static_cast<std::size_t>(std::countr_zero(marked)) / 8;
            if (is_at(index)) return index;
        }
    }
    while (at < text.size() && !is_at(at)) ++at;
    return at;
}

}  // namespace cartwright::text
