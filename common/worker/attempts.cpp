#include "common/worker/attempts.hpp"

namespace cartwright::worker {
namespace {

// Attempts have to outlive this process, not the database: nobody waits until they are on its disk.

/// Counts one more attempt that may end in the death of the process.
constexpr postgres::Statement begin_attempt{
    "begin_attempt",
    "insert into attempt (worker, message_key, deaths) values ($1, $2, 1) "
    "on conflict (worker, message_key) do update "
    "set deaths = attempt.deaths + 1, begun_at = now() "
    "returning deaths, set_config('synchronous_commit', 'off', true)"};

/// Forgets the attempts of a message whose outcome was seen.
constexpr postgres::Statement end_attempt{"end_attempt",
                                          "delete from attempt where worker = $1 and message_key = $2 "
                                          "returning set_config('synchronous_commit', 'off', true)"};

}  // namespace

Attempts::Attempts(std::string worker, std::unique_ptr<postgres::Session> session)
    : worker_(std::move(worker)), session_(std::move(session)) {}

std::int64_t Attempts::begin(const std::string& key) {
    std::int64_t deaths = 0;
    session_->transaction([&](postgres::Transaction& transaction) {
        deaths = transaction.run(begin_attempt, {worker_, key}).integer(0, 0) - 1;
    });
    return deaths;
}

void Attempts::end(const std::string& key) {
    session_->transaction(
        [&](postgres::Transaction& transaction) { transaction.run(end_attempt, {worker_, key}); });
}

}  // namespace cartwright::worker
