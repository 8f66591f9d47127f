// How long carts take at a steady rate, from when each was due to its sellers' messages.
#pragma once

#include <string>

#include "tests/load/listener.hpp"
#include "tests/load/sender.hpp"

namespace cartwright::load {

struct Latency {
    double p50_ms = 0, p99_ms = 0, p999_ms = 0, max_ms = 0;
    double late_ms_max = 0;  ///< how far behind its time the load itself was
    std::uint64_t messages = 0;
    std::uint64_t missing = 0;
};

/// Of every message to a seller on shared queues, but for those of carts due in the first seconds. An open
/// model: carts are due at their times however slow the others are. What has not come `patience` after the
/// last was due is missing.
Latency measure_latency(const Sending& sending, const Listening& listening, std::chrono::seconds warm_up,
                        std::chrono::seconds patience);

}  // namespace cartwright::load
