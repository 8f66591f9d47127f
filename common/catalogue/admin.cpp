#include "common/catalogue/admin.hpp"

#include <charconv>
#include <utility>

#include "common/catalogue/bind.hpp"
#include "common/catalogue/connection.hpp"
#include "common/catalogue/trouble.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {

namespace {

template <class Work>
auto translated(const Work& work) {
    try {
        return work();
    } catch (const ServerError& error) {
        rethrow(error, Trouble::refused);
    }
}

}  // namespace

struct Admin::State {
    Connection connection;
};

Admin::Admin(const Settings& settings)
    : state_(
          std::make_unique<State>(State{Connection(settings, {.waits_for_ever = true, .scripts = true})})) {
    translated([this] { state_->connection.connect(); });
}

Admin::~Admin() = default;
Admin::Admin(Admin&&) noexcept = default;
Admin& Admin::operator=(Admin&&) noexcept = default;

void Admin::execute(const std::string& script) {
    translated([&] { state_->connection.script(script); });
}

std::vector<Admin::Row> Admin::select(const std::string& sql, const std::vector<std::string>& parameters) {
    return translated([&] {
        std::vector<Row> rows;
        const auto quoted = [this](const std::string& text) { return quote(text); };
        const Result result = state_->connection.query(bind_parameters(sql, parameters, quoted));
        for (std::size_t row = 0; row < result.rows(); ++row) {
            Row& values = rows.emplace_back();
            for (std::size_t column = 0; column < result.columns(); ++column) {
                values.emplace_back();
                if (!result.is_null(row, column)) values.back() = std::string(result.text(row, column));
            }
        }
        return rows;
    });
}

std::optional<std::string> Admin::select_value(const std::string& sql,
                                               const std::vector<std::string>& parameters) {
    const std::vector<Row> rows = select(sql, parameters);
    if (rows.empty() || rows[0].empty()) return std::nullopt;
    return rows[0][0];
}

std::optional<std::int64_t> Admin::select_integer(const std::string& sql,
                                                  const std::vector<std::string>& parameters) {
    const std::optional<std::string> text = select_value(sql, parameters);
    if (!text) return std::nullopt;
    std::int64_t number = 0;
    const char* end = text->data() + text->size();
    const auto [stopped, trouble] = std::from_chars(text->data(), end, number);
    if (trouble != std::errc() || stopped != end) {
        throw outcome::Refused("the catalogue answers '" + *text + "' where a whole number is expected");
    }
    return number;
}

bool Admin::lock(const std::string& name, std::chrono::seconds timeout) {
    const std::optional<std::int64_t> got =
        select_integer("select get_lock(?, ?)", {name, std::to_string(timeout.count())});
    if (!got) throw outcome::Unavailable("the catalogue cannot give locks now");
    return *got == 1;
}

void Admin::unlock(const std::string& name) {
    select("select release_lock(?)", {name});
}

std::string Admin::quote(const std::string& text) const {
    if (!state_->connection.connected())
        throw outcome::Unavailable("the connection to the catalogue is closed");
    return state_->connection.quote(text);
}

}  // namespace cartwright::catalogue
