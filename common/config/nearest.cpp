#include "common/config/nearest.hpp"

#include <algorithm>
#include <cstddef>

namespace cartwright::config {

namespace {

constexpr std::size_t name_bytes_max = 100;

std::size_t typing_errors(const std::string& a, const std::string& b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(const std::string& name, const std::vector<std::string>& candidates) {
    if (name.size() > name_bytes_max) return {};
    std::string best;
    std::size_t best_errors = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (const std::string& candidate : candidates) {
        // What shares no letter in place is not what was meant, however short both are.
        const std::size_t errors = typing_errors(name, candidate);
        if (errors < best_errors && errors < std::min(name.size(), candidate.size())) {
            best = candidate;
            best_errors = errors;
        }
    }
    return best;
}

}  // namespace cartwright::config
