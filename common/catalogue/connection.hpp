// One connection to MariaDB. Internal to the catalogue.
#pragma once

#include <mariadb/mysql.h>

#include <optional>
#include <string>
#include <vector>

#include "common/catalogue/settings.hpp"

namespace cartwright::catalogue {

using Row = std::vector<std::optional<std::string>>;

/// Connects at first use; after an error that breaks the connection the next call connects again.
class Connection {
  public:
    explicit Connection(Settings settings, bool several_statements = false);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Rows of the last statement. Throws outcome::Retry, Unavailable or Refused.
    std::vector<Row> run(const std::string& sql);
    /// The text as a literal with its quotes.
    std::string quote(std::string_view text);

  private:
    void connect();
    void disconnect();
    [[noreturn]] void fail(const char* doing);
    void collect(std::vector<Row>& rows);

    Settings settings_;
    bool several_statements_;
    MYSQL* handle_ = nullptr;
};

}  // namespace cartwright::catalogue
