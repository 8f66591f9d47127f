#include "tests/load/percentiles.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace cartwright::load {

double percentile(std::span<const double> sorted, double share) {
    if (sorted.empty()) return 0;
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

double usual_after_s(std::span<const Timed> timed, double usual_ms) {
    std::map<std::int64_t, std::vector<double>> by_second;
    for (const auto& one : timed) by_second[static_cast<std::int64_t>(one.due_s)].push_back(one.took_ms);
    double after = 0;
    for (auto& [second, times] : by_second) {
        std::sort(times.begin(), times.end());
        if (percentile(times, 0.99) > usual_ms) after = static_cast<double>(second) + 1;
    }
    return after;
}

}  // namespace cartwright::load
