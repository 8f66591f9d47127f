#include "common/postgres/session.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <pqxx/pqxx>
#include <pqxx/tablewriter>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"
#include "common/postgres/sqlstate.hpp"
#include "common/postgres/stall_guard.hpp"

namespace cartwright::postgres {

struct Rows::Data {
    pqxx::result result;
    /// The row that was asked for last: making one costs more than reading a field of it.
    mutable std::optional<pqxx::row> row = std::nullopt;
    mutable std::size_t row_number = 0;

    pqxx::field field(std::size_t number, int column) const {
        if (!row || row_number != number) {
            row = result[static_cast<pqxx::result::size_type>(number)];
            row_number = number;
        }
        return (*row)[column];
    }
};

std::size_t Rows::size() const {
    return data_->result.size();
}

std::size_t Rows::affected() const {
    return data_->result.affected_rows();
}

bool Rows::is_null(std::size_t row, int column) const {
    return data_->field(row, column).is_null();
}

std::string_view Rows::text(std::size_t row, int column) const {
    const auto field = data_->field(row, column);
    return {field.c_str(), field.size()};
}

std::int64_t Rows::integer(std::size_t row, int column) const {
    return data_->field(row, column).as<std::int64_t>();
}

struct Transaction::Data {
    pqxx::connection& connection;
    std::set<std::string, std::less<>>& prepared;
    StallGuard& guard;
    pqxx::work work;
};

namespace {

void refuse_zero_bytes(const std::string& text) {
    if (text.find('\0') == std::string::npos) return;
    throw outcome::Refused("a value holds a zero byte, which PostgreSQL can't store");
}

}  // namespace

Rows Transaction::run(const Statement& statement, std::span<const Parameter> parameters) {
    if (!data_.prepared.contains(std::string_view{statement.name})) {
        data_.connection.prepare(statement.name, statement.sql);
        data_.prepared.emplace(statement.name);
    }
    std::vector<const char*> pointers;
    pointers.reserve(parameters.size());
    for (const auto& parameter : parameters) {
        if (parameter) refuse_zero_bytes(*parameter);
        pointers.push_back(parameter ? parameter->c_str() : nullptr);
    }
    data_.guard.step();
    const auto result =
        data_.work.exec_prepared(statement.name, pqxx::prepare::make_dynamic_params(pointers));
    data_.guard.step();
    return Rows(std::make_shared<const Rows::Data>(Rows::Data{result}));
}

void Transaction::append(const Target& target, const NewRows& rows) {
    refuse_zero_bytes(rows.str());
    if (rows.size() == 0) return;
    const std::array<std::string, 1> columns{target.columns};
    data_.guard.step();
// The library's newer class of the kind takes rows as tuples only, and turns each into a stream of its own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    pqxx::tablewriter writer(data_.work, target.table, columns.begin(), columns.end());
#pragma GCC diagnostic pop
    writer.write_raw_line(rows.str());
    writer.complete();
    data_.guard.step();
}

Rows Transaction::execute_script(std::string_view sql) {
    data_.guard.step();
    const auto result = data_.work.exec(std::string(sql));
    data_.guard.step();
    return Rows(std::make_shared<const Rows::Data>(Rows::Data{result}));
}

struct Session::State {
    Settings settings;
    std::unique_ptr<pqxx::connection> connection;
    std::set<std::string, std::less<>> prepared;
    std::minstd_rand random{std::random_device{}()};
    bool healthy = false;
    StallGuard guard;

    explicit State(Settings wanted) : settings(std::move(wanted)), guard(settings.stall_timeout) {}

    void drop() {
        guard.forget();
        connection.reset();
        prepared.clear();
        healthy = false;
    }

    void connect() {
        if (connection) return;
        drop();
        // Keepalives on this side free a lane whose server vanished without a word.
        const auto separator = settings.url.find('?') == std::string::npos ? "?" : "&";
        auto url = settings.url + separator + "connect_timeout=5&keepalives_idle=10&keepalives_interval=5";
        url += "&keepalives_count=3&tcp_user_timeout=30000";
        // Times are read as text: they have to be UTC.
        url += "&options=-ctimezone%3DUTC";
        if (!settings.application_name.empty()) url += "&application_name=" + settings.application_name;
        connection = std::make_unique<pqxx::connection>(url);
        guard.watch(connection->sock());
    }

    void attempt(const std::function<void(Transaction&)>& body) {
        connect();
        const StallGuard::Inside inside(guard);
        Transaction::Data data{*connection, prepared, guard, pqxx::work(*connection, "batch")};
        Transaction transaction(data);
        body(transaction);
        guard.step();
        data.work.commit();
        healthy = true;
    }

    /// Runs the body once and translates what the driver throws into the three kinds of trouble.
    void translated(const std::function<void(Transaction&)>& body) {
        try {
            attempt(body);
        } catch (const pqxx::in_doubt_error& error) {
            drop();
            throw unavailable(error.what());
        } catch (const pqxx::broken_connection& error) {
            drop();
            throw unavailable(error.what());
        } catch (const pqxx::transaction_rollback& error) {
            throw outcome::Retry(error.what());
        } catch (const pqxx::sql_error& error) {
            rethrow(classify(error.sqlstate()), error);
        } catch (const pqxx::failure& error) {
            drop();
            throw unavailable(error.what());
        } catch (const pqxx::usage_error& error) {
            // A connection that broke in the middle reports itself as misused afterwards.
            if (connection && connection->is_open()) throw;
            drop();
            throw unavailable(error.what());
        }
    }

    /// Named, because readiness shows it.
    static outcome::Unavailable unavailable(const std::string& why) {
        return outcome::Unavailable("PostgreSQL: " + why);
    }

    [[noreturn]] void rethrow(Trouble trouble, const pqxx::sql_error& error) {
        const auto text = "SQLSTATE " + error.sqlstate() + ": " + error.what();
        if (trouble == Trouble::unavailable || trouble == Trouble::reconnect) drop();
        if (trouble == Trouble::unavailable) throw unavailable(text);
        if (error.sqlstate() == unique_violation) throw Duplicate(text);
        if (trouble == Trouble::refused) throw outcome::Refused(text);
        if (error.sqlstate() == lock_not_available || error.sqlstate() == query_canceled)
            end_silent_appends();
        throw outcome::Retry(text);
    }

    /// No limit of PostgreSQL ends a COPY that waits for its client's rows (ProcessClientReadInterrupt in its
    /// tcop/postgres.c), and a client that was frozen there keeps what it has locked. So whoever waited in
    /// vain ends those of its role that have been at it for longer than any statement may take.
    void end_silent_appends() {
        try {
            attempt([](Transaction& transaction) {
                const auto ended = transaction.execute_script(
                    "with silent as materialized (select pid from pg_stat_activity "
                    "where usename = current_user and datname = current_database() "
                    "and state = 'active' and wait_event = 'ClientRead' "
                    "and current_setting('statement_timeout')::interval > interval '0' "
                    "and query_start < clock_timestamp() - current_setting('statement_timeout')::interval) "
                    "select pg_terminate_backend(pid) from silent");
                if (!ended.empty()) log::warn("silent_appends_ended", {{"sessions", ended.size()}});
            });
        } catch (const std::exception& error) {  // left to whoever waits next, on a connection that is whole
            log::info("silent_appends_left", {{"why", std::string_view(error.what())}});
            drop();
        }
    }

    void pause(int retry) {
        std::uniform_int_distribution<int> spread(1, 10 << retry);
        std::this_thread::sleep_for(std::chrono::milliseconds(spread(random)));
    }
};

Session::Session(Settings settings) : state_(std::make_unique<State>(std::move(settings))) {}

Session::~Session() = default;

void Session::transaction(const std::function<void(Transaction&)>& body) {
    for (int retry = 0;; ++retry) {
        try {
            return state_->translated(body);
        } catch (const outcome::Retry& trouble) {
            if (retry >= state_->settings.retries_max) throw;
            log::info("transaction_again", {{"retry", retry + 1}, {"why", std::string_view(trouble.what())}});
            state_->pause(retry);
        }
    }
}

void Session::transaction_once(const std::function<void(Transaction&)>& body) {
    state_->translated(body);
}

bool Session::healthy() const {
    return state_->healthy;
}

}  // namespace cartwright::postgres
