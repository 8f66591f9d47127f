#include "common/codec/writer.hpp"

#include <array>
#include <charconv>

namespace cartwright::codec {

void Writer::separate() {
    if (needs_comma_) text_ += ',';
    needs_comma_ = true;
}

Writer& Writer::open(char bracket) {
    separate();
    text_ += bracket;
    needs_comma_ = false;
    return *this;
}

Writer& Writer::close(char bracket) {
    text_ += bracket;
    needs_comma_ = true;
    return *this;
}

Writer& Writer::key(std::string_view name) {
    separate();
    quote(name);
    text_ += ':';
    needs_comma_ = false;
    return *this;
}

Writer& Writer::value(std::string_view text) {
    separate();
    quote(text);
    return *this;
}

Writer& Writer::value(std::int64_t number) {
    separate();
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    text_.append(digits.data(), end);
    return *this;
}

Writer& Writer::raw(std::string_view json) {
    separate();
    text_ += json;
    return *this;
}

void Writer::quote(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    text_ += '"';
    std::size_t clean = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        text_.append(text, clean, i - clean);
        clean = i + 1;
        if (c == '"' || c == '\\') {
            text_ += '\\';
            text_ += static_cast<char>(c);
        } else if (c == '\n') {
            text_ += "\\n";
        } else if (c == '\t') {
            text_ += "\\t";
        } else if (c == '\r') {
            text_ += "\\r";
        } else {
            text_ += "\\u00";
            text_ += hex[c >> 4U];
            text_ += hex[c & 15U];
        }
    }
    text_.append(text, clean);
    text_ += '"';
}

}  // namespace cartwright::codec
