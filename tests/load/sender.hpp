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
    double lead_rate = 0;  ///< carts/s of a first phase, as far as the broker confirms so many
    std::chrono::duration<double> lead{0};  ///< how long that lasts
    std::uint64_t carts = 0;                ///< after it
    double rate = 0;  ///< carts/s, each due at its time however slow the others were; 0: as fast as it goes
    double repeats = 0.0;  ///< share of carts that are sent once more, a thousand carts later
    std::uint64_t unconfirmed_max = 4'000;
};

struct Sent {
    std::uint64_t carts = 0;
    std::uint64_t messages = 0;  ///< that sellers will get of them
    std::uint64_t lines = 0;     ///< of the carts that can be served
    std::uint64_t units = 0;     ///< of those lines
    std::uint64_t nacked = 0;    ///< refusals of the broker, each of which was sent again
    double seconds = 0;          ///< until the last was confirmed
    double lead_seconds = 0;     ///< of the first phase
    std::uint64_t lead_carts = 0;
    Clock::time_point lead_end;  ///< when the first cart after it was due
    double late_ms_max = 0;      ///< how far behind its time a cart was sent
};

/// Is told when each cart was due, one after the other from the first, before it is sent.
using Due = std::function<void(Clock::time_point)>;

/// Returns when all are confirmed.
Sent send(const Sending& sending, const Due& due);

}  // namespace cartwright::load
