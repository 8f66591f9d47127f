// In the place of common/postgres/session.cpp: the product's sessions reach the model database.
#include "common/postgres/session.hpp"

#include <algorithm>

#include "common/outcome/trouble.hpp"
#include "tests/model/statement.hpp"
#include "tests/model/world.hpp"

namespace cartwright::postgres {

struct Rows::Data {
    model::Answer answer;
};

std::size_t Rows::size() const {
    return data_->answer.rows.size();
}

std::size_t Rows::affected() const {
    return data_->answer.affected;
}

bool Rows::is_null(std::size_t row, int column) const {
    return !data_->answer.rows[row][static_cast<std::size_t>(column)];
}

std::string_view Rows::text(std::size_t row, int column) const {
    const auto& cell = data_->answer.rows[row][static_cast<std::size_t>(column)];
    return cell ? std::string_view(*cell) : std::string_view();
}

std::int64_t Rows::integer(std::size_t row, int column) const {
    return std::stoll(*data_->answer.rows[row][static_cast<std::size_t>(column)]);
}

struct Transaction::Data {
    model::Work work;
};

namespace {

using model::world;

/// Sorted keys lock rows in one order everywhere, and a repeated key would be applied once.
void check_keys(const model::Modelled& modelled, std::span<const Parameter> parameters) {
    std::vector<std::vector<model::MaybeText>> columns;
    for (std::size_t i = 0; i < modelled.keys; ++i) columns.push_back(model::elements(*parameters[i]));
    for (std::size_t row = 1; row < columns.front().size(); ++row) {
        const auto differs = std::find_if(columns.begin(), columns.end(),
                                          [&](const auto& column) { return column[row] != column[row - 1]; });
        const bool same = differs == columns.end();
        if (same ? modelled.may_repeat : (*differs)[row - 1] < (*differs)[row]) continue;
        world().promises.broken(
            fmt::format("the keys of {} are not sorted, or repeat", modelled.statement->name));
    }
}

void lose_connection(model::Work& work, const char* when) {
    world().database.roll_back(work);
    work.broken = true;
    if (world().tracing()) world().note(fmt::format("loses the database's connection {}", when));
    throw outcome::Unavailable("the connection is lost");
}

void be_alive(model::Work& work) {
    if (work.broken) throw outcome::Unavailable("the server has ended the connection");
    if (world().stormy() && world().random.per_mille(world().faults.database)) lose_connection(work, "");
}

}  // namespace

Rows Transaction::run(const Statement& statement, std::span<const Parameter> parameters) {
    auto& here = world();
    here.scheduler.step();
    be_alive(data_.work);
    const auto* modelled = model::find_statement(statement.name);
    if (modelled == nullptr) throw model::Bug{fmt::format("nobody has modelled {}", statement.name)};
    if (modelled->locks) check_keys(*modelled, parameters);
    if (here.tracing()) {
        std::string arguments;
        for (const auto& parameter : parameters)
            arguments += " " + (parameter ? parameter->substr(0, 90) : std::string("null"));
        here.note(fmt::format("{}{}", statement.name, arguments));
    }
    const auto mutation = here.mutation();
    model::Call call(here.database, data_.work, mutation, here.scheduler.time_us, parameters);
    modelled->run(call);
    if (here.tracing()) {
        std::string rows;
        for (const auto& row : call.answer.rows) {
            rows += rows.empty() ? "" : " |";
            for (const auto& cell : row) rows += " " + (cell ? cell->substr(0, 60) : std::string("null"));
        }
        if (!rows.empty()) here.note(fmt::format("    {} →{}", statement.name, rows));
    }
    return Rows(std::make_shared<const Rows::Data>(Rows::Data{std::move(call.answer)}));
}

/// As the statement that the model has for the target, a column a parameter.
void Transaction::append(const Target& target, const NewRows& rows) {
    std::vector<Array> columns;
    for (const auto& row : model::appended(rows.str())) {
        columns.resize(row.size());
        for (std::size_t i = 0; i < row.size(); ++i) row[i] ? columns[i].add(*row[i]) : columns[i].add_null();
    }
    if (columns.empty()) return;
    std::vector<Parameter> parameters;
    for (const auto& column : columns) parameters.emplace_back(column.str());
    CARTWRIGHT_ASSERT(run({target.name, target.columns}, parameters).affected() == rows.size());
}

Rows Transaction::execute_script(std::string_view) {
    return Rows(std::make_shared<const Rows::Data>());
}

struct Session::State {
    Settings settings;

    void attempt(const std::function<void(Transaction&)>& body) {
        auto& here = world();
        here.scheduler.step();
        Transaction::Data data;
        auto& work = data.work;
        work.process = here.scheduler.process();
        work.lane = here.scheduler.actor();
        work.begun_us = here.scheduler.time_us;
        if (here.is(model::Mutation::held_looked_for_too_early)) {
            for (const auto& [key, slot] : here.database.held_lines.slots())
                if (slot.committed) work.held_at_begin.push_back(key);
        }
        struct Open {
            model::Database& database;
            model::Work& work;
            Open(model::Database& of, model::Work& one) : database(of), work(one) {
                database.open_works.push_back(&work);
            }
            ~Open() {
                database.roll_back(work);
                std::erase(database.open_works, &work);
            }
        } open(here.database, work);
        Transaction transaction(data);
        body(transaction);
        here.scheduler.step();
        be_alive(work);
        if (here.tracing() && !work.touched.empty()) here.note("commits");
        here.database.commit(work);
        if (here.stormy() && here.random.per_mille(here.faults.database))
            lose_connection(work, "at its commit");
        here.scheduler.step();
    }

    void translated(const std::function<void(Transaction&)>& body) {
        try {
            attempt(body);
        } catch (const model::Deadlock&) {
            if (world().tracing()) world().note("is a deadlock's victim");
            throw outcome::Retry("deadlock");
        } catch (const model::Violation& violation) {
            world().promises.broken("a constraint of the database fired: " + violation.what);
            throw outcome::Refused(violation.what);
        }
    }
};

Session::Session(Settings settings) : state_(std::make_unique<State>(State{std::move(settings)})) {}

Session::~Session() = default;

void Session::transaction(const std::function<void(Transaction&)>& body) {
    for (int retry = 0;; ++retry) {
        try {
            return state_->translated(body);
        } catch (const outcome::Retry&) {
            if (retry >= state_->settings.retries_max) throw;
        }
        auto& scheduler = world().scheduler;
        scheduler.wait([] { return false; }, scheduler.time_us + world().random.between(1, 10) * model::ms);
    }
}

void Session::transaction_once(const std::function<void(Transaction&)>& body) {
    state_->translated(body);
}

bool Session::healthy() const {
    return true;
}

}  // namespace cartwright::postgres
