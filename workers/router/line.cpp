#include "workers/router/line.hpp"

#include <utility>

#include "common/outcome/trouble.hpp"

namespace cartwright::router {

Line::Line(std::size_t calls_max, std::size_t failing_calls_max)
    : calls_max_(calls_max), failing_calls_max_(failing_calls_max) {}

void Line::add(const std::string& name, std::size_t calls_max, const routing::StreamKey& stream) {
    auto& destination = destinations_[name];
    destination.calls_max = calls_max;
    if (known_.insert(stream).second) destination.waiting.push_back(stream);
}

bool Line::may_begin(const Destination& destination) const {
    if (destination.waiting.empty() || begun_ >= calls_max_) return false;
    if (!destination.failing) return destination.begun < destination.calls_max;
    return destination.begun == 0 && failing_begun_ < failing_calls_max_;
}

std::vector<Line::Next> Line::next(std::size_t count) {
    std::vector<Next> begun;
    auto place = destinations_.upper_bound(last_);
    for (std::size_t idle = 0; begun.size() < count && idle < destinations_.size();) {
        if (place == destinations_.end()) place = destinations_.begin();
        auto& [name, destination] = *place;
        if (may_begin(destination)) {
            begun.push_back({name, std::move(destination.waiting.front())});
            destination.waiting.pop_front();
            known_.erase(begun.back().stream);
            ++begun_;
            ++destination.begun;
            destination.counted_failing = destination.failing;
            if (destination.failing) ++failing_begun_;
            last_ = name;
            idle = 0;
        } else {
            ++idle;
        }
        ++place;
    }
    return begun;
}

void Line::ended(const std::string& name, End end) {
    const auto place = destinations_.find(name);
    CARTWRIGHT_ASSERT(place != destinations_.end() && place->second.begun > 0);
    auto& destination = place->second;
    --begun_;
    --destination.begun;
    if (std::exchange(destination.counted_failing, false)) --failing_begun_;
    if (end != End::no_call) destination.failing = end == End::failed;
    if (destination.begun == 0 && destination.waiting.empty() && !destination.failing)
        destinations_.erase(place);
}

}  // namespace cartwright::router
