#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "common/catalogue/settings.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {

namespace {

[[noreturn]] void refuse(std::string_view why) {
    throw outcome::StartupError(
        fmt::format("the URL of the catalogue {}; write mysql://user:password@host:port/database, special "
                    "characters as %XX",
                    why));
}

std::optional<unsigned char> hex_byte(std::string_view digits) {
    unsigned char byte = 0;
    const char* end = digits.data() + digits.size();
    const auto [stopped, trouble] = std::from_chars(digits.data(), end, byte, 16);
    if (digits.size() != 2 || trouble != std::errc() || stopped != end) return std::nullopt;
    return byte;
}

std::string decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
            continue;
        }
        const auto byte = hex_byte(text.substr(i + 1, 2));
        if (!byte || *byte == 0) refuse("has a % that two hexadecimal digits do not follow");
        result += static_cast<char>(*byte);
        i += 2;
    }
    return result;
}

unsigned port_of(std::string_view text) {
    unsigned port = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, trouble] = std::from_chars(text.data(), end, port);
    if (trouble != std::errc() || stopped != end || port < 1 || port > 65'535) refuse("has no valid port");
    return port;
}

void set_host(Address& address, std::string_view text) {
    std::size_t colon = text.rfind(':');
    if (text.starts_with('[')) {  // IPv6: the colons inside the brackets are its own
        const std::size_t bracket = text.find(']');
        if (bracket == std::string_view::npos) refuse("has a bracket that is not closed");
        address.host = text.substr(1, bracket - 1);
        colon = bracket + 1;
        if (colon == text.size()) return;
        if (text[colon] != ':') refuse("has something between host and port");
    } else {
        address.host = decoded(text.substr(0, colon));
    }
    if (colon != std::string_view::npos) address.port = port_of(text.substr(colon + 1));
}

}  // namespace

Address parse_url(const std::string& url) {
    std::string_view rest = url;
    for (const std::string_view scheme : {"mysql://", "mariadb://"}) {
        if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
    }
    if (rest.size() == url.size()) refuse(url.empty() ? "is missing" : "does not begin with mysql://");
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) refuse("names no database");
    const std::string_view authority = rest.substr(0, slash);
    const std::string_view database = rest.substr(slash + 1);
    if (database.empty() || database.find_first_of("/?#") != std::string_view::npos) {
        refuse("does not end with the name of a database");
    }
    Address address;
    address.database = decoded(database);
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos) refuse("names no user");
    const std::string_view credentials = authority.substr(0, at);
    const std::size_t colon = credentials.find(':');
    address.user = decoded(credentials.substr(0, colon));
    if (colon != std::string_view::npos) address.password = decoded(credentials.substr(colon + 1));
    set_host(address, authority.substr(at + 1));
    if (address.user.empty()) refuse("names no user");
    if (address.host.empty()) refuse("names no host");
    return address;
}

}  // namespace cartwright::catalogue
