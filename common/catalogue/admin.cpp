#include "common/catalogue/admin.hpp"

#include <fmt/format.h>

#include "common/catalogue/catalogue.hpp"
#include "common/catalogue/connection.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {
namespace {

/// Puts quoted texts where a statement has question marks outside of quotes.
std::string with_parameters(Connection& connection, const std::string& sql, const std::vector<std::string>& parameters) {
    std::string result;
    std::size_t next = 0;
    char quote = 0;
    for (const char c : sql) {
        if (quote != 0) {
            if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"' || c == '`') {
            quote = c;
        } else if (c == '?') {
            CARTWRIGHT_ASSERT(next < parameters.size());
            result += connection.quote(parameters[next++]);
            continue;
        }
        result += c;
    }
    return result;
}

}  // namespace

struct Admin::State {
    Connection connection;
    explicit State(const Settings& settings) : connection(settings, true) {}
};

Admin::Admin(const Settings& settings) : state_(std::make_unique<State>(settings)) { state_->connection.run("select 1"); }
Admin::~Admin() = default;
Admin::Admin(Admin&&) noexcept = default;
Admin& Admin::operator=(Admin&&) noexcept = default;

void Admin::execute(const std::string& script) { state_->connection.run(script); }

std::vector<Admin::Row> Admin::select(const std::string& sql, const std::vector<std::string>& parameters) {
    return state_->connection.run(with_parameters(state_->connection, sql, parameters));
}

std::optional<std::string> Admin::select_value(const std::string& sql, const std::vector<std::string>& parameters) {
    const auto rows = select(sql, parameters);
    return rows.empty() || rows.front().empty() ? std::nullopt : rows.front().front();
}

std::optional<std::int64_t> Admin::select_integer(const std::string& sql, const std::vector<std::string>& parameters) {
    const auto value = select_value(sql, parameters);
    return value ? std::optional<std::int64_t>(std::stoll(*value)) : std::nullopt;
}

bool Admin::lock(const std::string& name, std::chrono::seconds timeout) {
    return select_integer(fmt::format("select get_lock(?, {})", timeout.count()), {name}) == 1;
}

void Admin::unlock(const std::string& name) { select("select release_lock(?)", {name}); }

std::string Admin::quote(const std::string& text) const { return state_->connection.quote(text); }

void check_schema_version(const std::string& url, std::int64_t wanted) {
    Settings settings;
    settings.url = url;
    Connection connection(settings);
    std::int64_t found = 0;
    if (!connection.run("show tables like 'schema_version'").empty()) {
        const auto rows = connection.run("select coalesce(max(version), 0) from schema_version");
        found = std::stoll(rows.at(0).at(0).value());
    }
    if (found == wanted) return;
    throw outcome::StartupError(
        fmt::format("MariaDB has schema version {}, this program wants {}: run `cartwright migrate`{}", found, wanted,
                    found > wanted ? " of this version, or start a newer worker" : ""));
}

}  // namespace cartwright::catalogue
