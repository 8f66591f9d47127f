#include "common/worker/attempts.hpp"

namespace cartwright::worker {
namespace {

// Attempts have to outlive this process, not the database: nobody waits until they are on its disk.

/// Counts one more attempt each that may end in the death of the process.
constexpr postgres::Statement begin_attempts{
    "begin_attempts",
    "insert into attempt (worker, message_key, deaths) "
    "select $1::text, key, 1 from unnest($2::text[]) as key "
    "on conflict (worker, message_key) do update set deaths = attempt.deaths + 1, begun_at = now() "
    "returning message_key, deaths, set_config('synchronous_commit', 'off', true)"};

/// Forgets the attempts of messages whose outcome was seen.
constexpr postgres::Statement end_attempts{
    "end_attempts",
    "delete from attempt where worker = $1::text and message_key = any($2::text[]) "
    "returning set_config('synchronous_commit', 'off', true)"};

std::string array_of(const Attempts::Keys& keys) {
    postgres::Array array;
    for (const auto& key : keys) array.add(key);
    return array.str();
}

}  // namespace

Attempts::Attempts(std::string worker, std::unique_ptr<postgres::Session> session)
    : worker_(std::move(worker)), session_(std::move(session)) {}

Attempts::Keys Attempts::begin(const Keys& keys) {
    Keys died_before;
    session_->transaction([&](postgres::Transaction& transaction) {
        died_before.clear();
        const auto rows = transaction.run(begin_attempts, {worker_, array_of(keys)});
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (rows.integer(i, 1) > 1) died_before.emplace(rows.text(i, 0));
    });
    return died_before;
}

std::int64_t Attempts::begin(const std::string& key) {
    std::int64_t deaths = 0;
    session_->transaction([&](postgres::Transaction& transaction) {
        deaths = transaction.run(begin_attempts, {worker_, array_of({key})}).integer(0, 1) - 1;
    });
    return deaths;
}

void Attempts::end(const Keys& keys) {
    session_->transaction([&](postgres::Transaction& transaction) {
        transaction.run(end_attempts, {worker_, array_of(keys)});
    });
}

}  // namespace cartwright::worker
