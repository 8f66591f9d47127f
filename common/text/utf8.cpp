#include "common/text/utf8.hpp"

namespace cartwright::text {

namespace {

struct Lead {
    std::size_t length;
    unsigned char second_min, second_max;  // keeps overlong forms, surrogates and what is beyond U+10FFFF out
};

Lead lead_of(unsigned char byte) {
    if (byte < 0x80) return {1, 0, 0};
    if (byte >= 0xc2 && byte <= 0xdf) return {2, 0x80, 0xbf};
    if (byte == 0xe0) return {3, 0xa0, 0xbf};
    if (byte == 0xed) return {3, 0x80, 0x9f};
    if (byte >= 0xe1 && byte <= 0xef) return {3, 0x80, 0xbf};
    if (byte == 0xf0) return {4, 0x90, 0xbf};
    if (byte >= 0xf1 && byte <= 0xf3) return {4, 0x80, 0xbf};
    if (byte == 0xf4) return {4, 0x80, 0x8f};
    return {0, 0, 0};
}

}  // namespace

std::size_t utf8_sequence(std::string_view text, std::size_t at) {
    if (at >= text.size()) return 0;
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const Lead lead = lead_of(byte(at));
    if (lead.length <= 1) return lead.length;
    if (at + lead.length > text.size()) return 0;
    if (byte(at + 1) < lead.second_min || byte(at + 1) > lead.second_max) return 0;
    for (std::size_t i = at + 2; i < at + lead.length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    return lead.length;
}

std::string utf8_text(std::string_view text, std::size_t bytes_max) {
    std::string clean;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_sequence(text, at);
        const auto next = length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(at, length);
        if (clean.size() + next.size() > bytes_max) break;
        clean += next;
        at += length == 0 ? 1 : length;
    }
    return clean;
}

}  // namespace cartwright::text
