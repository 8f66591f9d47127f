// How to reach the vendor catalogue.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace cartwright::catalogue {

struct Settings {
    std::string url;                    ///< mysql://user:password@host:port/database, percent-encoded
    std::size_t entries_max = 200'000;  ///< offers in the cache (an unknown SKU counts as one), and as
                                        ///< many warehouses
    std::chrono::milliseconds age_max{60'000};  ///< an older entry is read again
    std::chrono::seconds connect_timeout{5};
    std::chrono::seconds read_timeout{10};
    std::chrono::seconds write_timeout{10};
};

/// A URL taken apart; parts are percent-decoded.
struct Address {
    std::string user, password, host, database;
    unsigned port = 3306;
};

/// Throws outcome::StartupError (without the password) where the text is not such a URL.
Address parse_url(const std::string& url);

}  // namespace cartwright::catalogue
