#include "common/catalogue/connection.hpp"

#include <fmt/format.h>

#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {
namespace {

enum class Trouble { retry, unavailable, refused };

/// Numbers from MariaDB's error reference. 1146, 1142 and 1045 (no table, no right, no entry) are a deployment's mistake:
/// nothing may be parked for them.
Trouble classify(unsigned number) {
    switch (number) {
        case 1213:  // deadlock
        case 1205:  // lock wait timeout
            return Trouble::retry;
        case 1040:  // too many connections
        case 1044:
        case 1045:
        case 1046:
        case 1047:  // a cluster node without a majority
        case 1049:
        case 1053:  // shutting down
        case 1142:
        case 1146:
        case 1153:
        case 1158:
        case 1159:
        case 1160:
        case 1161:
        case 1226:
        case 1290:  // read-only
        case 1317:
        case 1836:
        case 1927:  // connection was killed
        case 1969:  // statement time limit
            return Trouble::unavailable;
        default:
            return number >= 2000 && number < 3000 ? Trouble::unavailable : Trouble::refused;
    }
}

}  // namespace

Connection::Connection(Settings settings, bool several_statements)
    : settings_(std::move(settings)), several_statements_(several_statements) {}

Connection::~Connection() { disconnect(); }

void Connection::disconnect() {
    if (handle_ != nullptr) mysql_close(handle_);
    handle_ = nullptr;
}

void Connection::connect() {
    if (handle_ != nullptr) return;
    const auto address = parse_url(settings_.url);
    handle_ = mysql_init(nullptr);
    CARTWRIGHT_ASSERT(handle_ != nullptr);
    const auto seconds = [](std::chrono::seconds time) { return static_cast<unsigned>(time.count()); };
    const auto connecting = seconds(settings_.connect_timeout);
    const auto reading = seconds(settings_.read_timeout);
    const auto writing = seconds(settings_.write_timeout);
    mysql_options(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &connecting);
    mysql_options(handle_, MYSQL_OPT_READ_TIMEOUT, &reading);
    mysql_options(handle_, MYSQL_OPT_WRITE_TIMEOUT, &writing);
    mysql_options(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const auto flags = several_statements_ ? CLIENT_MULTI_STATEMENTS : 0UL;
    if (mysql_real_connect(handle_, address.host.c_str(), address.user.c_str(), address.password.c_str(),
                           address.database.c_str(), address.port, nullptr, flags) == nullptr) {
        fail("connecting");
    }
}

void Connection::fail(const char* doing) {
    const auto number = mysql_errno(handle_);
    const auto text = fmt::format("MariaDB, {}: error {}: {}", doing, number, mysql_error(handle_));
    const auto trouble = classify(number);
    if (trouble == Trouble::unavailable) disconnect();
    if (trouble == Trouble::retry) throw outcome::Retry(text);
    if (trouble == Trouble::unavailable) throw outcome::Unavailable(text);
    throw outcome::Refused(text);
}

void Connection::collect(std::vector<Row>& rows) {
    auto* result = mysql_store_result(handle_);
    if (result == nullptr) {
        if (mysql_field_count(handle_) > 0) fail("reading");
        return;
    }
    rows.clear();
    const auto columns = mysql_num_fields(result);
    while (auto* values = mysql_fetch_row(result)) {
        const auto* lengths = mysql_fetch_lengths(result);
        auto& row = rows.emplace_back(columns);
        for (unsigned i = 0; i < columns; ++i) {
            if (values[i] != nullptr) row[i].emplace(values[i], lengths[i]);
        }
    }
    mysql_free_result(result);
}

std::vector<Row> Connection::run(const std::string& sql) {
    connect();
    if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) fail("running a statement");
    std::vector<Row> rows;
    for (;;) {
        collect(rows);
        const int more = mysql_next_result(handle_);
        if (more < 0) return rows;
        if (more > 0) fail("running a statement");
    }
}

std::string Connection::quote(std::string_view text) {
    connect();
    std::string escaped(text.size() * 2 + 1, '\0');
    escaped.resize(mysql_real_escape_string(handle_, escaped.data(), text.data(), text.size()));
    return "'" + escaped + "'";
}

}  // namespace cartwright::catalogue
