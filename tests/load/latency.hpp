// How long carts take at a steady rate, from when each was due to its sellers' messages.
#pragma once

#include <chrono>

#include "tests/load/listener.hpp"
#include "tests/load/sender.hpp"

namespace cartwright::load {

struct Latency {
    double p50_ms = 0, p99_ms = 0, p999_ms = 0, max_ms = 0;
    double usual_after_s = 0;
    Sent sent;
    std::uint64_t messages = 0;
};

struct Timing {
    std::chrono::seconds warm_up{3};    ///< at the beginning, and does not count
    std::chrono::seconds patience{30};  ///< what has not come so long after the last cart is missing
    double usual_ms = 0;                ///< the 99th percentile that `usual_after_s` asks for
};

/// Of every message to a seller on shared queues, but for those of carts of the lead and of the first
/// seconds. An open model: carts are due at their times however slow the others are.
Latency measure_latency(const Sending& sending, const Listening& listening, const Timing& timing);

}  // namespace cartwright::load
