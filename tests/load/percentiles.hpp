// What many times say in a few numbers.
#pragma once

#include <span>

namespace cartwright::load {

/// A message to a seller: when its cart was due, in seconds since the first that counts, and how long it
/// took.
struct Timed {
    double due_s;
    double took_ms;
};

/// The smallest value that is not exceeded by this share of the values, which are sorted; 0 of none.
double percentile(std::span<const double> sorted, double share);

/// The second after which the 99th percentile of every second's carts was at most `usual_ms`.
double usual_after_s(std::span<const Timed> timed, double usual_ms);

}  // namespace cartwright::load
