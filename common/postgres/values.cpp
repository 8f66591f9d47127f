// How values are written into statements and rows.
#include <fmt/format.h>

#include <array>
#include <initializer_list>
#include <utility>

#include "common/outcome/trouble.hpp"
#include "common/postgres/session.hpp"
#include "common/text/words.hpp"

namespace cartwright::postgres {
namespace {

/// What each byte is written as behind a backslash; 0 where it stands for itself.
using Escapes = std::array<char, 256>;

constexpr Escapes escapes_of(std::initializer_list<std::pair<unsigned char, char>> list) {
    Escapes escapes{};
    for (const auto& [byte, letter] : list) escapes[byte] = letter;
    return escapes;
}

constexpr Escapes in_arrays = escapes_of({{'"', '"'}, {'\\', '\\'}});
constexpr Escapes in_rows = escapes_of({{'\\', '\\'}, {'\t', 't'}, {'\n', 'n'}, {'\r', 'r'}});

/// Of eight bytes.
constexpr auto may_escape_in_array = [](text::Word word) {
    return text::equal(word, '"') | text::equal(word, '\\');
};
constexpr auto may_escape_in_row = [](text::Word word) {
    return text::below(word, ' ') | text::equal(word, '\\');
};

/// In runs of what stands for itself, which is most of it.
template <class Marks>
void append_escaped(std::string& to, std::string_view text, const Escapes& escapes, const Marks& marks) {
    const auto has_escape = [&](unsigned char c) { return escapes[c] != 0; };
    for (std::size_t begin = 0;;) {
        const auto at = text::find(text, begin, marks, has_escape);
        to.append(text, begin, at - begin);
        if (at == text.size()) return;
        to += '\\';
        to += escapes[static_cast<unsigned char>(text[at])];
        begin = at + 1;
    }
}

}  // namespace

/// In the place of the brace at the end, which every `add` writes anew.
void Array::open() {
    if (size_++ == 0) {
        text_.pop_back();
    } else {
        text_.back() = ',';
    }
}

Array& Array::add(std::string_view text) {
    open();
    text_ += '"';
    append_escaped(text_, text, in_arrays, may_escape_in_array);
    text_ += "\"}";
    return *this;
}

Array& Array::add(std::int64_t number) {
    open();
    const fmt::format_int digits(number);
    text_.append(digits.data(), digits.size());
    text_ += '}';
    return *this;
}

Array& Array::add_null() {
    open();
    text_ += "NULL}";
    return *this;
}

Texts& Texts::add(std::string_view text) {
    constexpr char separator = '\x1f';
    CARTWRIGHT_ASSERT(!text.empty() && text.find(separator) == std::string_view::npos);
    if (!std::exchange(empty_, false)) text_ += separator;
    text_ += text;
    return *this;
}

void NewRows::separate() {
    if (in_row_) {
        text_ += '\t';
    } else if (size_ > 0) {
        text_ += '\n';
    }
    in_row_ = true;
}

NewRows& NewRows::add(std::string_view text) {
    separate();
    append_escaped(text_, text, in_rows, may_escape_in_row);
    return *this;
}

NewRows& NewRows::add(std::int64_t number) {
    separate();
    const fmt::format_int digits(number);
    text_.append(digits.data(), digits.size());
    return *this;
}

NewRows& NewRows::add_null() {
    separate();
    text_ += "\\N";
    return *this;
}

void NewRows::end_row() {
    CARTWRIGHT_ASSERT(in_row_);
    in_row_ = false;
    ++size_;
}

const std::string& NewRows::str() const {
    CARTWRIGHT_ASSERT(!in_row_);
    return text_;
}

}  // namespace cartwright::postgres
