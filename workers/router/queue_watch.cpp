#include "workers/router/queue_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::router {

QueueWatch::QueueWatch(Depth depth, std::uint64_t depth_max, std::function<Clock::time_point()> clock)
    : depth_(std::move(depth)), depth_max_(depth_max), clock_(std::move(clock)) {}

std::string QueueWatch::trouble(const std::string& name) {
    auto& queue = queues_[name];
    const auto time = clock_();
    if (queue.rests_until && time < *queue.rests_until) return fmt::format("queue {} does not confirm", name);
    ask(name, queue, time);
    if (!queue.too_deep) return {};
    return fmt::format("queue {} holds {} messages, more than {}", name, queue.depth, depth_max_);
}

void QueueWatch::ask(const std::string& name, Queue& queue, Clock::time_point time) {
    if (queue.asked_at && time < *queue.asked_at + depth_age_max) return;
    queue.asked_at = time;
    if (unreadable_until_ && time < *unreadable_until_) {
        queue.too_deep = false;
        return;
    }
    const bool was_too_deep = queue.too_deep;
    try {
        queue.depth = depth_(name).value_or(0);
        queue.too_deep = queue.depth > depth_max_;
        if (queue.too_deep && !was_too_deep)
            log::warn("queue_too_deep", {{"queue", name}, {"depth", queue.depth}});
        if (was_too_deep && !queue.too_deep)
            log::info("queue_takes_again", {{"queue", name}, {"depth", queue.depth}});
    } catch (const outcome::Unavailable& trouble) {
        log::warn("queue_depth_unreadable", {{"queue", name}, {"why", std::string_view(trouble.what())}});
        unreadable_until_ = clock_() + unreadable_for;
        queue.too_deep = false;
    }
}

void QueueWatch::answered(const std::string& name, bool in_time) {
    auto& queue = queues_[name];
    if (in_time) {
        queue.rests_until.reset();
        queue.next_rest = rest_min;
        return;
    }
    queue.rests_until = clock_() + queue.next_rest;
    queue.next_rest = std::min(queue.next_rest * 2, rest_max);
    log::warn("queue_does_not_confirm", {{"queue", name}});
}

}  // namespace cartwright::router
