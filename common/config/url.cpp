#include "common/config/url.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace cartwright::config {
namespace {

bool is_host(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']') && host.size() > 4) {
        return std::all_of(host.begin() + 1, host.end() - 1, [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
                   c == '.';
        });
    }
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '.';
    });
}

bool is_port(std::string_view text) {
    int port = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
    return read.ec == std::errc{} && read.ptr == text.data() + text.size() && port > 0 && port <= 65'535;
}

}  // namespace

std::string url_trouble(const std::string& url, bool plain_http_allowed) {
    constexpr std::string_view secure = "https://", plain = "http://";
    std::string_view rest = url;
    if (rest.starts_with(secure)) {
        rest.remove_prefix(secure.size());
    } else if (rest.starts_with(plain) && plain_http_allowed) {
        rest.remove_prefix(plain.size());
    } else if (rest.starts_with(plain)) {
        return "is to begin with https:// (http:// needs private_addresses: true)";
    } else {
        return "is to begin with https://";
    }
    const bool printable = std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (!printable) return "is to be of printable ASCII; write the rest as %XX";
    if (url.find('#') != std::string::npos) return "is to have no fragment (#)";
    const auto authority = rest.substr(0, rest.find_first_of("/?"));
    if (authority.find('@') != std::string_view::npos)
        return "is to hold no user or password: secrets stand under `secrets`";
    const auto colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    if (!is_host(authority.substr(0, colon))) return "names no host";
    if (colon != std::string_view::npos && !is_port(authority.substr(colon + 1)))
        return "has no port from 1 to 65535";
    return {};
}

}  // namespace cartwright::config
