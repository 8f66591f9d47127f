#include "common/http/caller_text.hpp"

#include <algorithm>

#include "common/text/utf8.hpp"

namespace cartwright::http {
namespace {

/// Terminals take C1 (U+0080 to U+009F) for commands, too.
bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first < 0x20 || first == 0x7f;
    return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

std::string presentable(std::string_view text, std::size_t bytes_max) {
    std::string result;
    while (!text.empty()) {
        const auto size = text::utf8_sequence(text, 0);
        const auto character = text.substr(0, std::max<std::size_t>(size, 1));
        const auto shown = size == 0 || is_control(character) ? std::string_view("?") : character;
        if (result.size() + shown.size() > bytes_max) break;
        result += shown;
        text.remove_prefix(character.size());
    }
    return result;
}

std::string host_of(std::string_view url) {
    const auto scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos) return {};
    auto authority = url.substr(scheme_end + 3);
    authority = authority.substr(0, authority.find_first_of("/?#\\"));
    if (const auto user_end = authority.rfind('@'); user_end != std::string_view::npos)
        authority.remove_prefix(user_end + 1);
    return std::string(authority);
}

}  // namespace cartwright::http
