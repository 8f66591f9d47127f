#include "common/codec/json_writer.hpp"

#include <array>
#include <charconv>

#include "common/text/utf8.hpp"
#include "common/text/words.hpp"

namespace cartwright::codec {
namespace {

/// The next byte that does not stand for itself in a JSON string, or needs a look at its neighbours.
std::size_t find_special(std::string_view text, std::size_t at) {
    const auto marks = [](text::Word word) {
        return text::below(word, 0x20) | text::equal(word, '"') | text::equal(word, '\\') |
               text::beyond_ascii(word);
    };
    const auto is = [](unsigned char c) { return c < 0x20 || c == '"' || c == '\\' || c >= 0x80; };
    return text::find(text, at, marks, is);
}

void append_escape(std::string& to, unsigned char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    switch (c) {
        case '"':
            to += "\\\"";
            return;
        case '\\':
            to += "\\\\";
            return;
        case '\b':
            to += "\\b";
            return;
        case '\f':
            to += "\\f";
            return;
        case '\n':
            to += "\\n";
            return;
        case '\r':
            to += "\\r";
            return;
        case '\t':
            to += "\\t";
            return;
        default:
            break;
    }
    to += "\\u00";
    to += digits[c >> 4];
    to += digits[c & 0xf];
}

}  // namespace

void append_quoted(std::string& to, std::string_view text) {
    to += '"';
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t first = at;
        at = find_special(text, at);
        to.append(text, first, at - first);
        if (at == text.size()) break;
        const auto c = static_cast<unsigned char>(text[at]);
        if (c < 0x80) {
            append_escape(to, c);
            ++at;
        } else if (const std::size_t length = text::utf8_sequence(text, at); length != 0) {
            to.append(text, at, length);
            at += length;
        } else {
            to += "\xef\xbf\xbd";
            ++at;
        }
    }
    to += '"';
}

void JsonWriter::separate() {
    if (comma_due_) json_ += ',';
    comma_due_ = true;
}

void JsonWriter::key(std::string_view name) {
    separate();
    json_ += '"';
    json_ += name;
    json_ += "\":";
    comma_due_ = false;
}

void JsonWriter::open(char bracket) {
    separate();
    json_ += bracket;
    comma_due_ = false;
}

void JsonWriter::close(char bracket) {
    json_ += bracket;
    comma_due_ = true;
}

void JsonWriter::text(std::string_view value) {
    separate();
    append_quoted(json_, value);
}

void JsonWriter::integer(std::string_view name, std::int64_t value) {
    key(name);
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    json_.append(digits.data(), end);
    comma_due_ = true;
}

void JsonWriter::boolean(std::string_view name, bool value) {
    key(name);
    json_ += value ? "true" : "false";
    comma_due_ = true;
}

void JsonWriter::raw(std::string_view name, std::string_view json) {
    key(name);
    json_ += json;
    comma_due_ = true;
}

}  // namespace cartwright::codec
