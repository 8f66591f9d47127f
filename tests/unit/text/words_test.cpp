#include "common/text/words.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

using namespace cartwright;

TEST_CASE("a byte that is looked for is found wherever it stands, whatever is around it") {
    std::mt19937 random(7);
    std::uniform_int_distribution<int> any(0, 255);
    const auto is = [](unsigned char c) { return c < 0x20 || c == '"' || c >= 0x80; };
    const auto marks = [](text::Word word) {
        return text::below(word, 0x20) | text::equal(word, '"') | text::beyond_ascii(word);
    };
    for (std::size_t size = 0; size <= 40; ++size) {
        for (int round = 0; round < 200; ++round) {
            std::string some(size, 'x');
            for (int changes = round % 4; changes > 0 && size > 0; --changes)
                some[random() % size] = static_cast<char>(any(random));
            for (std::size_t at = 0; at <= size; ++at) {
                const auto first = std::find_if(some.begin() + static_cast<std::ptrdiff_t>(at), some.end(),
                                                [&](char c) { return is(static_cast<unsigned char>(c)); });
                REQUIRE(text::find(some, at, marks, is) == static_cast<std::size_t>(first - some.begin()));
            }
        }
    }
}

TEST_CASE("a word says which of its bytes are meant, down to the first") {
    for (int byte = 0; byte < 256; ++byte) {
        const auto c = static_cast<unsigned char>(byte);
        const auto word = text::each('x') ^ (text::Word{static_cast<unsigned char>('x' ^ c)} << 24);
        CHECK((text::below(word, 0x20) != 0) == (c < 0x20));
        CHECK((text::equal(word, '\\') != 0) == (c == '\\'));
        CHECK((text::equal(word, 0) != 0) == (c == 0));
        CHECK((text::beyond_ascii(word) != 0) == (c >= 0x80));
    }
}

TEST_CASE("bytes that are marked without being meant cost time only") {
    const auto always = [](text::Word) { return text::each(0x80); };
    CHECK(text::find("aaaaaaaaaaaaaaaaaaaaaaab", 0, always, [](unsigned char c) { return c == 'b'; }) == 23);
    CHECK(text::find("aaaaaaaaaaaaaaaaaaaaaaaa", 3, always, [](unsigned char) { return false; }) == 24);
}
