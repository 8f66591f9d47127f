#include "common/codec/json_writer.hpp"

#include <array>
#include <charconv>

#include "common/log/utf8.hpp"

namespace cartwright::codec {
namespace {

constexpr std::array<bool, 256> make_plain() {
    std::array<bool, 256> plain{};
    for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
    return plain;
}

/// Bytes that stand for themselves in a JSON string and need no look at their neighbours.
constexpr std::array<bool, 256> plain_bytes = make_plain();

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
        while (at < text.size() && plain_bytes[static_cast<unsigned char>(text[at])]) ++at;
        to.append(text, first, at - first);
        if (at == text.size()) break;
        const auto c = static_cast<unsigned char>(text[at]);
        if (c < 0x80) {
            append_escape(to, c);
            ++at;
        } else if (const std::size_t length = log::utf8_sequence(text, at); length != 0) {
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
