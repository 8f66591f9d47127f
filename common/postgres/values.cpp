// How values are written into statements and rows.
#include <array>
#include <initializer_list>
#include <utility>

#include "common/outcome/trouble.hpp"
#include "common/postgres/session.hpp"

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

/// In runs of what stands for itself, which is most of it.
void append_escaped(std::string& to, std::string_view text, const Escapes& escapes) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char letter = escapes[static_cast<unsigned char>(text[at])];
        if (letter == 0) continue;
        to.append(text, begin, at - begin);
        to += '\\';
        to += letter;
        begin = at + 1;
    }
    to.append(text, begin);
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
    append_escaped(text_, text, in_arrays);
    text_ += "\"}";
    return *this;
}

Array& Array::add(std::int64_t number) {
    open();
    text_ += std::to_string(number);
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
    append_escaped(text_, text, in_rows);
    return *this;
}

NewRows& NewRows::add(std::int64_t number) {
    separate();
    text_ += std::to_string(number);
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
