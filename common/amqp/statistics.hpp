// Plain counters of a Publisher or a Consumer, for whoever exports them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cartwright::amqp {

/// Written by the I/O thread, read by any. A Publisher leaves the consumer's part at zero and the reverse.
struct Statistics {
    using Counter = std::atomic<std::uint64_t>;
    using Gauge = std::atomic<std::int64_t>;

    Counter connections{0};        ///< connections opened; all but the first are reconnects
    Counter reconnects{0};         ///< connections lost
    Counter channels_reopened{0};  ///< channels that the broker closed, or whose consumer it cancelled
    Counter stalls{0};             ///< sockets that were shut down because a call on them did not come back

    Counter published{0};  ///< messages sent, repetitions included
    Counter confirmed{0};
    Counter nacked{0};
    Counter returned{0};
    Counter returned_unmatched{0};  ///< returns of messages that had already been given up
    Counter best_effort_lost{
        0};  ///< nacked, returned, not confirmed in time, or in flight when the channel was lost
    Counter blocked_ms{0};          ///< time under connection.blocked
    Counter confirm_latency_us{0};  ///< sum over `confirmed`
    /// How many confirms took at most so long; the last entry is of those that took longer.
    static constexpr std::array<std::uint64_t, 10> confirm_latency_ms_bounds{1,  2,   5,   10,   20,
                                                                             50, 100, 250, 1000, 5000};
    std::array<Counter, confirm_latency_ms_bounds.size() + 1> confirm_latency_counts{};
    Gauge unconfirmed{0};         ///< sent, not yet answered
    Gauge waiting{0};             ///< accepted by publish, not in flight: queued, or backing off
    Gauge unconfirmed_age_ms{0};  ///< of the oldest sent and not yet answered; about a second behind

    Counter delivered{0};
    Counter acked{0};
    Counter stale_acks{0};  ///< tokens of an earlier channel opening, or named twice
    Gauge unacknowledged{0};
    Gauge unacknowledged_age_ms{0};  ///< of the oldest delivery not acknowledged; about a second behind
};

}  // namespace cartwright::amqp
