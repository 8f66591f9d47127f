#include "common/amqp/backoff.hpp"

#include <algorithm>

namespace cartwright::amqp {

using std::chrono::milliseconds;

milliseconds doubled(milliseconds minimum, milliseconds maximum, unsigned attempts) {
    constexpr unsigned doublings_max = 20;
    const auto factor = std::int64_t{1} << std::min(attempts, doublings_max);
    return std::min(maximum, std::max(minimum, milliseconds(1)) * factor);
}

Backoff::Backoff(milliseconds minimum, milliseconds maximum)
    : minimum_(minimum), maximum_(maximum), random_(std::random_device{}()) {}

milliseconds Backoff::next() {
    const auto whole = doubled(minimum_, maximum_, attempts_++);
    std::uniform_int_distribution<milliseconds::rep> between(whole.count() / 2, whole.count());
    return milliseconds(between(random_));
}

}  // namespace cartwright::amqp
