#include "common/codec/splitting.hpp"

#include <array>

#include "common/text/words.hpp"

namespace cartwright::codec {
namespace {

constexpr std::string_view white_space = " \t\n\r";

enum class Kind : unsigned char { other, quote, open, close, comma };

constexpr std::array<Kind, 256> make_kinds() {
    std::array<Kind, 256> kinds{};
    kinds['"'] = Kind::quote;
    kinds['['] = kinds['{'] = Kind::open;
    kinds[']'] = kinds['}'] = Kind::close;
    kinds[','] = Kind::comma;
    return kinds;
}

constexpr std::array<Kind, 256> kinds = make_kinds();

/// Most of a message is inside strings.
std::size_t find_end_or_escape(std::string_view text, std::size_t at) {
    const auto marks = [](text::Word word) { return text::equal(word, '"') | text::equal(word, '\\'); };
    return text::find(text, at, marks, [](unsigned char c) { return c == '"' || c == '\\'; });
}

/// Behind the string that begins at `at`; behind the text where it has no end.
std::size_t skip_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size(); at += 2) {
        at = find_end_or_escape(text, at);
        if (at < text.size() && text[at] == '"') break;
    }
    return at + 1;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(white_space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

std::optional<std::vector<std::string_view>> split_array(std::string_view text, std::size_t count_max) {
    text = trimmed(text);
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
    std::vector<std::string_view> elements;
    text = text.substr(1, text.size() - 2);
    if (trimmed(text).empty()) return elements;
    std::size_t depth = 0;
    std::size_t first = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        switch (kinds[static_cast<unsigned char>(text[at])]) {
            case Kind::quote:
                at = skip_string(text, at);
                continue;
            case Kind::open:
                ++depth;
                break;
            case Kind::close:
                if (depth == 0) return std::nullopt;
                --depth;
                break;
            case Kind::comma:
                if (depth != 0) break;
                elements.push_back(trimmed(text.substr(first, at - first)));
                if (elements.size() > count_max) return elements;
                first = at + 1;
                break;
            case Kind::other:
                break;
        }
        ++at;
    }
    if (depth != 0 || at != text.size()) return std::nullopt;
    elements.push_back(trimmed(text.substr(first)));
    for (const auto element : elements) {
        if (element.empty()) return std::nullopt;
    }
    return elements;
}

}  // namespace cartwright::codec
