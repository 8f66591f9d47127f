#include "common/amqp/stall_guard.hpp"

namespace cartwright::amqp {

StallGuard::StallGuard(std::chrono::milliseconds limit)
    : watchdog_(watchdog::Watchdog::shared()), limit_(limit) {
    watchdog_->add(*this);
}

StallGuard::~StallGuard() {
    watchdog_->remove(*this);
}

void StallGuard::look(std::chrono::steady_clock::time_point now) {
    const auto calls = calls_.load(std::memory_order_acquire);
    if (calls != seen_calls_) {
        seen_calls_ = calls;
        seen_since_ = now;
        return;
    }
    const bool inside = calls % 2 == 1;
    if (!inside || now - seen_since_ < limit_.load()) return;
    tripped_ = true;
    interrupt();
}

}  // namespace cartwright::amqp
