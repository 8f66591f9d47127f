// What tests of splitter and router share: sessions, members as a lane makes them, and questions about
// streams.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/amqp/message.hpp"
#include "common/postgres/session.hpp"
#include "common/worker/handler.hpp"

namespace cartwright::tests {

/// An environment variable; ends the program when it is not set.
std::string variable(const char* name);

/// As the workers' role. A deadlock is not run again: it fails the test. `durable` false: commits do not wait
/// for the disk, for tests of thousands of rounds.
std::unique_ptr<postgres::Session> worker_session(const std::string& program, bool durable = true);

/// Runs plain SQL as administrator; the first column of the last statement's rows.
std::vector<std::string> sql(const std::string& statements);
std::int64_t number(const std::string& query);
void empty_tables();

worker::Member ready(const std::string& order, const std::vector<std::string>& sellers);
/// Whole without an event id.
worker::Member cancelled(const std::string& order, const std::vector<std::string>& sellers,
                         const std::string& event = "");

/// Messages as the next worker's lane reads them; keeps what its members point into.
class Mail {
  public:
    void add(const std::vector<amqp::Outgoing>& messages);
    std::vector<worker::Member>& members() { return members_; }

  private:
    std::deque<std::string> bodies_;
    std::vector<worker::Member> members_;
};

/// "done", "park", "later", "again": one a member.
std::vector<std::string> verdicts(const worker::Result& result);

/// How a statement is run by the workers' role with these arguments (SQL literals), as EXPLAIN prints it;
/// `before` runs in the same transaction.
std::string plan_of(const postgres::Statement& statement, const std::string& arguments, bool generic,
                    const std::string& before = "");
/// True when a sorted array leads to rows by the index, one after the other.
bool follows_the_array(const std::string& plan, const std::string& index);
/// '{"x-0001",…}': sorted texts, as an SQL literal.
std::string text_array(const std::string& prefix, int count);
/// The same text, or number, so many times.
std::string repeated_array(const std::string& value, int count);

}  // namespace cartwright::tests
