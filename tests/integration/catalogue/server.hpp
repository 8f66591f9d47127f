// A database and an account for one test case, on the server that MARIADB_ADMIN_URL names.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/catalogue/admin.hpp"
#include "common/catalogue/catalogue.hpp"

namespace server {

using namespace cartwright;

/// The environment variable; fails the test where it is not set.
std::string variable(const char* name);

/// The URL with these parts in place of its own.
std::string url_with(const catalogue::Address& address);

/// The script that makes the catalogue's tables.
std::string migration();

catalogue::Settings settings_of(const std::string& url);

/// The catalogue's tables, empty, in a database of their own; dropped with the account when it goes.
class Database {
  public:
    Database();
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    catalogue::Admin& admin() { return admin_; }
    /// Reads the tables and no more.
    std::string reader_url() const;
    std::string admin_url() const;
    const std::string& name() const { return name_; }
    catalogue::Settings reader() const { return settings_of(reader_url()); }

    void add_seller(const std::string& id, const std::string& status = "active",
                    const std::string& region = "south", const std::string& tags = "");
    void add_offer(const std::string& seller, const std::string& sku, std::int64_t price_minor = 1000,
                   const std::string& status = "active");
    void add_warehouse(const std::string& seller, const std::string& warehouse, int priority = 100);
    /// Also raises the version, as every change of an offer does.
    void set_price(const std::string& seller, const std::string& sku, std::int64_t price_minor);
    /// Ends every connection of the reader.
    void kill_readers();
    /// Waits until one of the reader's connections waits for a lock of a table.
    void wait_until_reader_waits();

  private:
    catalogue::Address address_;
    std::string name_, user_;
    catalogue::Admin admin_;
};

}  // namespace server
