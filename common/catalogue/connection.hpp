// One connection to MariaDB. The only place that knows the client library.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/catalogue/settings.hpp"

namespace cartwright::catalogue {

/// All rows of a result, as text.
class Result {
  public:
    struct Data;
    Result();
    explicit Result(std::unique_ptr<Data> data);
    Result(Result&&) noexcept;
    Result& operator=(Result&&) noexcept;
    ~Result();

    std::size_t rows() const;
    std::size_t columns() const;
    bool is_null(std::size_t row, std::size_t column) const;
    /// Valid while the result lives; empty for NULL.
    std::string_view text(std::size_t row, std::size_t column) const;
    /// The column is a whole number.
    std::int64_t integer(std::size_t row, std::size_t column) const;

  private:
    std::unique_ptr<Data> data_;
};

struct ConnectionOptions {
    bool waits_for_ever = false;  ///< no read or write timeout
    bool scripts = false;         ///< several statements at once
};

/// One thread at a time. All calls throw ServerError.
class Connection {
  public:
    Connection(const Settings& settings, ConnectionOptions options);
    ~Connection();
    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;

    bool connected() const;
    void connect();

    /// Runs one statement. An error of the connection closes it.
    Result query(std::string_view sql);

    /// The same for a statement without side effects: connects first where necessary, and once more where the
    /// server had closed the connection meanwhile.
    Result read(std::string_view sql);

    /// Runs statements to the first that fails.
    void script(std::string_view sql);

    /// As a literal with its quotes. Connected.
    std::string quote(std::string_view text) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::catalogue
