// Publishes carts, as fast as they are confirmed or at a rate.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/load/market.hpp"

namespace cartwright::load {

using Clock = std::chrono::steady_clock;

struct Sending {
    std::string amqp_url;
    Mix mix;
    std::uint64_t carts = 0;
    double rate = 0;  ///< carts/s, each due at its time however slow the others were; 0: as fast as it goes
    double repeats = 0.0;  ///< share of carts that are sent once more, a thousand carts later
    std::uint64_t unconfirmed_max = 4'000;
};

struct Sent {
    std::uint64_t carts = 0;
    std::uint64_t messages = 0;  ///< that sellers will get of them
    std::uint64_t lines = 0;     ///< of the carts that can be served
    std::uint64_t nacked = 0;    ///< refusals of the broker, each of which was sent again
    double seconds = 0;          ///< until the last was confirmed
    double late_ms_max = 0;      ///< how far behind its time a cart was sent
};

/// Returns when all are confirmed. `due` is told index and time of each cart before it is sent.
Sent send(const Sending& sending, const std::function<void(std::uint64_t, Clock::time_point)>& due);

}  // namespace cartwright::load
