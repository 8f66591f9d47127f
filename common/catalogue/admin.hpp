// Plain statements for the operator's command: migrations and checks.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/catalogue/settings.hpp"

namespace cartwright::catalogue {

/// One connection, one thread. Every call throws as Catalogue's reads do. A lost connection is not replaced:
/// with it the lock and the session's state are gone.
class Admin {
  public:
    using Row = std::vector<std::optional<std::string>>;  ///< a column each; no value is NULL

    /// Connects at once.
    explicit Admin(const Settings& settings);
    ~Admin();
    Admin(Admin&&) noexcept;
    Admin& operator=(Admin&&) noexcept;

    /// Runs any number of statements separated by semicolons; stops at the first that fails, and throws.
    void execute(const std::string& script);

    /// Rows of one statement; `?` outside quotes and comments stands for the next parameter, as quoted text.
    std::vector<Row> select(const std::string& sql, const std::vector<std::string>& parameters = {});

    /// The first column of the first row; nothing where there is no row or it is NULL.
    std::optional<std::string> select_value(const std::string& sql,
                                            const std::vector<std::string>& parameters = {});
    std::optional<std::int64_t> select_integer(const std::string& sql,
                                               const std::vector<std::string>& parameters = {});

    /// A lock of the whole server by name. False when another session holds it still when the time is over.
    bool lock(const std::string& name, std::chrono::seconds timeout);
    void unlock(const std::string& name);

    /// The text as a literal with its quotes.
    std::string quote(const std::string& text) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::catalogue
