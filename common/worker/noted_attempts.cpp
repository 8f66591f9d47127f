#include "common/worker/noted_attempts.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/crypto/digest.hpp"
#include "common/log/log.hpp"

namespace cartwright::worker {

std::string key_of(const amqp::Delivery& delivery) {
    const auto& id = delivery.message_id;
    const bool plain = std::all_of(id.begin(), id.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (plain && !id.empty()) return id;
    return crypto::hex(crypto::sha256(id.empty() ? delivery.body : id));
}

Attempts::Keys NotedAttempts::begin(const Attempts::Keys& keys) {
    Attempts::Keys died_before;
    until_available(hooks_, [&] { died_before = attempts_.begin(keys); });
    noted_.insert(keys.begin(), keys.end());
    return died_before;
}

std::int64_t NotedAttempts::begin(const std::string& key) {
    std::int64_t deaths = 0;
    until_available(hooks_, [&] { deaths = attempts_.begin(key); });
    noted_.insert(key);
    return deaths;
}

void NotedAttempts::end(const Attempts::Keys& keys) {
    if (keys.empty()) return;
    until_available(hooks_, [&] { attempts_.end(keys); });
    for (const auto& key : keys) noted_.erase(key);
}

void NotedAttempts::take_back() {
    if (noted_.empty()) return;
    try {
        attempts_.end(std::exchange(noted_, {}));
    } catch (const std::runtime_error& error) {
        log::warn("attempts_kept", {{"why", std::string_view(error.what())}});
    }
}

}  // namespace cartwright::worker
