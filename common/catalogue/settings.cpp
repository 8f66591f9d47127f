#include "common/catalogue/settings.hpp"

#include <charconv>
#include <string_view>

#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {
namespace {

[[noreturn]] void refuse(const char* why) {
    throw outcome::StartupError(std::string("the catalogue's URL ") + why +
                                "; expected mysql://user:password@host:port/database, percent-encoded (MARIADB_URL)");
}

std::string decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
            continue;
        }
        unsigned byte = 0;
        if (i + 2 >= text.size()) refuse("ends inside a percent sign");
        const auto read = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
        if (read.ptr != text.data() + i + 3) refuse("has a percent sign without two hex digits");
        result += static_cast<char>(byte);
        i += 2;
    }
    return result;
}

}  // namespace

Address parse_url(const std::string& url) {
    constexpr std::string_view scheme = "mysql://";
    std::string_view rest = url;
    if (!rest.starts_with(scheme)) refuse("does not begin with mysql://");
    rest.remove_prefix(scheme.size());
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos || slash + 1 == rest.size()) refuse("names no database");
    Address address;
    address.database = decoded(rest.substr(slash + 1));
    auto place = rest.substr(0, slash);
    if (const auto at = place.rfind('@'); at != std::string_view::npos) {
        const auto who = place.substr(0, at);
        const auto colon = who.find(':');
        address.user = decoded(who.substr(0, colon));
        if (colon != std::string_view::npos) address.password = decoded(who.substr(colon + 1));
        place.remove_prefix(at + 1);
    }
    const auto colon = place.rfind(':');
    address.host = decoded(place.substr(0, colon));
    if (address.host.empty()) refuse("names no host");
    if (colon == std::string_view::npos) return address;
    const auto port = place.substr(colon + 1);
    const auto read = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (read.ec != std::errc{} || read.ptr != port.data() + port.size() || address.port == 0 || address.port > 65'535) {
        refuse("has a port that is none");
    }
    return address;
}

}  // namespace cartwright::catalogue
