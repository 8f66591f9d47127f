// One PostgreSQL connection of one lane, with prepared statements and re-runnable transactions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/outcome/trouble.hpp"

namespace cartwright::postgres {

/// A named statement with a purpose of one line (the comment where it is defined). Prepared on first use.
struct Statement {
    const char* name;
    const char* sql;
};

/// Where rows are appended: `columns` as they stand in COPY's list.
struct Target {
    const char* name;
    const char* table;
    const char* columns;
};

/// The rows that a statement returned. Values are text as PostgreSQL prints them; valid while the Rows live.
class Rows {
  public:
    struct Data;
    explicit Rows(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
    std::size_t size() const;
    bool empty() const { return size() == 0; }
    std::size_t affected() const;
    bool is_null(std::size_t row, int column) const;
    std::string_view text(std::size_t row, int column) const;
    std::int64_t integer(std::size_t row, int column) const;
    bool boolean(std::size_t row, int column) const { return text(row, column) == "t"; }

  private:
    std::shared_ptr<const Data> data_;
};

/// Builds an array literal ('{"a","b"}') to be passed as $n::text[] or $n::bigint[].
class Array {
  public:
    Array& add(std::string_view text);
    Array& add(std::int64_t number);
    Array& add_null();
    std::size_t size() const { return size_; }
    const std::string& str() const { return text_; }

  private:
    void open();
    std::string text_ = "{}";
    std::size_t size_ = 0;
};

/// Builds rows to be appended, field by field in the order of the target's columns
/// (https://www.postgresql.org/docs/15/sql-copy.html, text format).
class NewRows {
  public:
    /// Makes room for about so many bytes more.
    void reserve(std::size_t bytes) { text_.reserve(text_.size() + bytes); }
    NewRows& add(std::string_view text);
    NewRows& add(std::int64_t number);
    NewRows& add_null();
    /// After the last field of a row.
    void end_row();
    std::size_t size() const { return size_; }
    /// A row a line. All rows have been ended.
    const std::string& str() const;

  private:
    void separate();
    std::string text_;
    std::size_t size_ = 0;
    bool in_row_ = false;
};

/// Texts for one parameter that the statement takes apart with `string_to_array($1, E'\\x1f')`: cheaper than
/// an Array where they are long and have quotes. None holds a control character, as no JSON does.
class Texts {
  public:
    Texts& add(std::string_view text);
    const std::string& str() const { return text_; }

  private:
    std::string text_;
    bool empty_ = true;
};

/// A parameter: text, or null. Points to what it was made of.
class Parameter {
  public:
    Parameter(const std::string& text) : text_(&text) {}
    Parameter(const std::optional<std::string>& text) : text_(text ? &*text : nullptr) {}
    Parameter(std::nullopt_t) {}

    explicit operator bool() const { return text_ != nullptr; }
    const std::string& operator*() const { return *text_; }
    const std::string* operator->() const { return text_; }

  private:
    const std::string* text_ = nullptr;
};

/// What an append is refused with where a row is there already. Nothing of the transaction remains.
struct Duplicate : outcome::Refused {
    using outcome::Refused::Refused;
};

class Transaction {
  public:
    struct Data;
    explicit Transaction(Data& data) : data_(data) {}
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    Rows run(const Statement& statement, std::span<const Parameter> parameters);
    Rows run(const Statement& statement, std::initializer_list<Parameter> parameters = {}) {
        return run(statement, std::span(parameters.begin(), parameters.size()));
    }
    /// Appends rows with COPY, which costs a fraction of an INSERT. A row that is there already, or comes to
    /// be while this waits for whoever is writing it, refuses all the others too: Duplicate.
    void append(const Target& target, const NewRows& rows);
    /// Any number of plain statements without parameters; the rows of the last.
    Rows execute_script(std::string_view sql);

  private:
    Data& data_;
};

struct Settings {
    std::string url;               ///< postgresql://user@host:port/database, or several hosts
    std::string application_name;  ///< shown in pg_stat_activity
    int retries_max = 5;  ///< of a deadlock or serialization failure, at once, with a short random pause
    /// A server in whose transaction nothing happened for so long is given up; longer than the role's limits.
    std::chrono::milliseconds stall_timeout{45'000};
};

/// One thread. Connects on first use; a broken connection is thrown away and replaced by the next call.
class Session {
  public:
    explicit Session(Settings settings);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Runs `body` in a transaction and commits. The body has no side effect outside the transaction and may
    /// be run several times (deadlock, serialization failure). What the body itself throws rolls back and
    /// passes through. Throws outcome::Retry when that did not help, outcome::Unavailable when the server is
    /// away, read-only, full or the outcome of the commit is unknown (run the work again: claims make that
    /// harmless), outcome::Refused when PostgreSQL refuses a value or a constraint fires.
    void transaction(const std::function<void(Transaction&)>& body);

    /// Runs `body`, whose side effects outside must not be repeated, exactly once. Otherwise as
    /// `transaction`.
    void transaction_once(const std::function<void(Transaction&)>& body);

    /// True when the last call reached the server.
    bool healthy() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Throws outcome::StartupError unless the schema has the version that this program wants and the role has
/// the planner switches and time limits that keep lock order and free the rows of a frozen process (see
/// `cartwright migrate`).
void check_schema_version(Session& session, std::int64_t wanted);
void check_role_settings(Session& session);

}  // namespace cartwright::postgres
