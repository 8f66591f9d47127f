#include "common/postgres/stall_guard.hpp"

#include <cstdint>

#include "common/log/log.hpp"

namespace cartwright::postgres {

StallGuard::StallGuard(std::chrono::milliseconds limit)
    : watchdog_(watchdog::Watchdog::shared()), limit_(limit) {
    watchdog_->add(*this);
}

StallGuard::~StallGuard() {
    watchdog_->remove(*this);
}

void StallGuard::look(Time now) {
    const auto since = since_.load();
    if (since == outside || now - since < limit_) return;
    if (!socket_.shut_down()) return;
    log::warn("postgres_is_silent", {{"limit_ms", static_cast<std::int64_t>(limit_.count())}});
    since_ = outside;
}

}  // namespace cartwright::postgres
