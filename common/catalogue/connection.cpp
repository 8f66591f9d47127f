#include "common/catalogue/connection.hpp"

#include <fmt/format.h>
#include <mysql.h>

#include <charconv>
#include <mutex>
#include <utility>

#include "common/catalogue/trouble.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {

namespace {

constexpr unsigned empty_statement = 1065;

struct Close {
    void operator()(MYSQL* handle) const { mysql_close(handle); }
};
using Handle = std::unique_ptr<MYSQL, Close>;

struct Free {
    void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};
using Rows = std::unique_ptr<MYSQL_RES, Free>;

// Client errors, and what the server says before it hangs up: the connection is of no more use.
bool ends_connection(unsigned number) {
    return (number >= 2000 && number < 3000) || number == 1053 || number == 1080 || number == 1927 ||
           number == 4031;
}

unsigned seconds(std::chrono::seconds time) {
    return static_cast<unsigned>(time.count());
}

void set_option(MYSQL* handle, mysql_option option, unsigned value) {
    CARTWRIGHT_ASSERT(mysql_options(handle, option, &value) == 0);
}

}  // namespace

struct Result::Data {
    struct Row {
        MYSQL_ROW texts;
        std::vector<unsigned long> lengths;
    };
    Rows owner;
    std::size_t columns = 0;
    std::vector<Row> rows;
};

Result::Result() = default;
Result::Result(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Result::Result(Result&&) noexcept = default;
Result& Result::operator=(Result&&) noexcept = default;
Result::~Result() = default;

std::size_t Result::rows() const {
    return data_ == nullptr ? 0 : data_->rows.size();
}
std::size_t Result::columns() const {
    return data_ == nullptr ? 0 : data_->columns;
}

bool Result::is_null(std::size_t row, std::size_t column) const {
    CARTWRIGHT_ASSERT(row < rows() && column < columns());
    return data_->rows[row].texts[column] == nullptr;
}

std::string_view Result::text(std::size_t row, std::size_t column) const {
    if (is_null(row, column)) return {};
    return {data_->rows[row].texts[column], data_->rows[row].lengths[column]};
}

std::int64_t Result::integer(std::size_t row, std::size_t column) const {
    const std::string_view digits = text(row, column);
    std::int64_t number = 0;
    const char* end = digits.data() + digits.size();
    const auto [stopped, trouble] = std::from_chars(digits.data(), end, number);
    if (trouble != std::errc() || stopped != end) {
        throw ServerError(0, fmt::format("'{}' where a whole number is expected", digits));
    }
    return number;
}

struct Connection::State {
    Settings settings;
    ConnectionOptions options;
    Address address;
    Handle handle;

    [[noreturn]] void fail(int statement = 0);
    Result take_result();
};

// Also closes what is broken, so that the next call connects again.
void Connection::State::fail(int statement) {
    const std::string where = statement == 0 ? std::string() : fmt::format("statement {}: ", statement);
    const ServerError error(mysql_errno(handle.get()), where + mysql_error(handle.get()));
    if (ends_connection(error.number)) handle.reset();
    throw error;
}

Result Connection::State::take_result() {
    Rows owner(mysql_store_result(handle.get()));
    if (owner == nullptr) {
        if (mysql_field_count(handle.get()) != 0) fail();
        return {};
    }
    auto data = std::make_unique<Result::Data>();
    data->columns = mysql_num_fields(owner.get());
    data->rows.reserve(mysql_num_rows(owner.get()));
    while (MYSQL_ROW row = mysql_fetch_row(owner.get())) {
        const unsigned long* lengths = mysql_fetch_lengths(owner.get());
        data->rows.push_back({row, {lengths, lengths + data->columns}});
    }
    data->owner = std::move(owner);
    return Result(std::move(data));
}

Connection::Connection(const Settings& settings, ConnectionOptions options)
    : state_(std::make_unique<State>(State{settings, options, parse_url(settings.url), nullptr})) {
    static std::once_flag once;
    std::call_once(once, [] { CARTWRIGHT_ASSERT(mysql_library_init(0, nullptr, nullptr) == 0); });
}

Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

bool Connection::connected() const {
    return state_->handle != nullptr;
}

void Connection::connect() {
    const Settings& settings = state_->settings;
    Handle handle(mysql_init(nullptr));
    CARTWRIGHT_ASSERT(handle != nullptr);
    set_option(handle.get(), MYSQL_OPT_CONNECT_TIMEOUT, seconds(settings.connect_timeout));
    if (!state_->options.waits_for_ever) {
        set_option(handle.get(), MYSQL_OPT_READ_TIMEOUT, seconds(settings.read_timeout));
        set_option(handle.get(), MYSQL_OPT_WRITE_TIMEOUT, seconds(settings.write_timeout));
    }
    set_option(handle.get(), MYSQL_OPT_LOCAL_INFILE, 0);
    set_option(handle.get(), MYSQL_OPT_PROTOCOL,
               MYSQL_PROTOCOL_TCP);  // else "localhost" would mean a local socket
    CARTWRIGHT_ASSERT(mysql_options(handle.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4") == 0);
    const Address& address = state_->address;
    const unsigned long flags = state_->options.scripts ? CLIENT_MULTI_STATEMENTS : 0;
    const bool connected =
        mysql_real_connect(handle.get(), address.host.c_str(), address.user.c_str(), address.password.c_str(),
                           address.database.c_str(), address.port, nullptr, flags) != nullptr;
    // With autocommit off every read would see the snapshot of the first.
    if (!connected || mysql_autocommit(handle.get(), 1) != 0) {
        throw ServerError(mysql_errno(handle.get()), mysql_error(handle.get()));
    }
    state_->handle = std::move(handle);
}

Result Connection::query(std::string_view sql) {
    if (!connected()) throw ServerError(2006, "the connection is closed");
    if (mysql_real_query(state_->handle.get(), sql.data(), sql.size()) != 0) state_->fail();
    return state_->take_result();
}

Result Connection::read(std::string_view sql) {
    if (!connected()) {
        connect();
        return query(sql);
    }
    const auto began = std::chrono::steady_clock::now();
    try {
        return query(sql);
    } catch (const ServerError&) {
        // A server that took its time to fail is not asked again.
        const bool at_once = std::chrono::steady_clock::now() - began < std::chrono::seconds(1);
        if (connected() || !at_once) throw;
    }
    connect();
    return query(sql);
}

void Connection::script(std::string_view sql) {
    if (!connected()) throw ServerError(2006, "the connection is closed");
    MYSQL* handle = state_->handle.get();
    int failed = mysql_real_query(handle, sql.data(), sql.size()) == 0 ? 0 : 1;
    for (int statement = 1; failed <= 0; ++statement) {
        state_->take_result();
        failed = mysql_next_result(handle);
        if (failed < 0) return;
        if (failed > 0 && mysql_errno(handle) != empty_statement) state_->fail(statement + 1);
    }
    // What is empty is the end, with nothing but blanks or comments after the last semicolon.
    if (mysql_errno(handle) != empty_statement) state_->fail(1);
}

std::string Connection::quote(std::string_view text) const {
    CARTWRIGHT_ASSERT(connected());
    std::string quoted(2 * text.size() + 1, '\0');
    const unsigned long length =
        mysql_real_escape_string(state_->handle.get(), quoted.data(), text.data(), text.size());
    CARTWRIGHT_ASSERT(length != static_cast<unsigned long>(-1));
    quoted.resize(length);
    return "'" + quoted + "'";
}

}  // namespace cartwright::catalogue
