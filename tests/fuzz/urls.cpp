// URLs: of endpoints in rules, of the catalogue in configuration, and of either in what a log shows.
#include <string>

#include "common/catalogue/settings.hpp"
#include "common/config/url.hpp"
#include "common/http/caller_text.hpp"
#include "common/outcome/trouble.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string url(text_of(data, size));
    const auto strict = config::url_trouble(url, false), lax = config::url_trouble(url, true);
    property(!strict.empty() || lax.empty(), "what is right without plain http is right with it");
    if (strict.empty()) property(url.starts_with("https://"), "only https is right without plain http");
    if (lax.empty()) property(!http::host_of(url).empty(), "a right URL has a host");
    property(http::host_of(url).find('@') == std::string::npos, "a host is shown without user and password");
    for (const std::size_t bytes_max : {0U, 1U, 7U, 200U}) {
        const auto shown = http::presentable(url, bytes_max);
        property(shown.size() <= bytes_max && is_utf8(shown), "what is shown is short UTF-8");
    }
    try {
        const auto address = catalogue::parse_url(url);
        property(!address.host.empty() && address.port >= 1 && address.port <= 65'535,
                 "a catalogue has an address");
    } catch (const outcome::StartupError& error) {
        property(*error.what() != 0, "every error has a message");
    }
    return 0;
}
