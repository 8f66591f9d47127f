// The router's own settings.
#pragma once

#include <chrono>
#include <cstddef>

#include "common/worker/config.hpp"

namespace cartwright::router {

struct EndpointConfig {
    std::size_t calls_max = 512;
    std::size_t failing_calls_max = 128;
    std::size_t catch_up_max = 100;
    std::size_t answer_bytes_max = 65'536;
    std::chrono::milliseconds lease{60'000};
    std::chrono::milliseconds retry_delay_min{1'000};
    std::chrono::milliseconds retry_delay_max{900'000};
    std::chrono::milliseconds retry_after_max{3'600'000};

    void describe(config::Binder& binder) {
        binder.field("calls_max", calls_max, {1, 10'000}, "Calls under way at once, to all endpoints.");
        binder.field("failing_calls_max", failing_calls_max, {1, 10'000},
                     "So many of them to endpoints whose last call failed, which get one each.");
        binder.field("catch_up_max", catch_up_max, {1, 10'000}, "Messages of one stream under one lease.");
        binder.field("answer_bytes_max", answer_bytes_max, {1'024, 16'777'216},
                     "Bytes of an answer that are read.");
        binder.field("lease_ms", lease, {1'000, 3'600'000},
                     "Time that a stream is one router's; longer than any total_timeout_ms of a rule.");
        binder.field("retry_delay_min_ms", retry_delay_min, {10, 60'000},
                     "First pause of a stream whose endpoint failed.");
        binder.field("retry_delay_max_ms", retry_delay_max, {10, 86'400'000}, "Longest such pause.");
        binder.field("retry_after_max_ms", retry_after_max, {1'000, 86'400'000},
                     "Longest pause that an endpoint's Retry-After may ask for.");
        binder.require("failing_calls_max", failing_calls_max <= calls_max, "must not exceed calls_max");
    }
};

struct Config {
    worker::LaneConfig messages{8, 2'000};
    std::size_t run_messages_max = 2'000;
    std::size_t catch_up_max = 500;
    std::size_t seller_queue_depth_max = 10'000'000;
    std::chrono::milliseconds confirm_timeout{5'000};
    std::chrono::milliseconds retry_delay_min{500};
    std::chrono::milliseconds retry_delay_max{300'000};
    std::chrono::milliseconds sweep_interval{10'000};
    std::chrono::milliseconds sweep_time_max{2'000};
    std::size_t sweep_streams_max = 200;
    std::size_t sweep_page_max = 10'000;
    EndpointConfig endpoints;

    void describe(config::Binder& binder) {
        binder.section("messages", messages, "The lane of numbered messages.");
        binder.field("run_messages_max", run_messages_max, {1, 100'000},
                     "About so many messages are sent in one transaction.");
        binder.field("catch_up_max", catch_up_max, {1, 10'000}, "Messages of one stream in one transaction.");
        binder.field("seller_queue_depth_max", seller_queue_depth_max, {1, 1'000'000'000},
                     "Streams of a sellers' queue that is deeper wait.");
        binder.field(
            "confirm_timeout_ms", confirm_timeout, {100, 10'000},
            "Time for the broker to confirm a run; well below the role's idle-in-transaction limit.");
        binder.field("retry_delay_min_ms", retry_delay_min, {10, 60'000},
                     "First pause of a stream that failed.");
        binder.field("retry_delay_max_ms", retry_delay_max, {10, 86'400'000},
                     "Longest pause of such a stream.");
        binder.field("sweep_interval_ms", sweep_interval, {100, 3'600'000},
                     "How often streams left behind are looked for; one that two looks find is delivered.");
        binder.field("sweep_time_max_ms", sweep_time_max, {10, 60'000}, "Time that one sweep may deliver.");
        binder.field("sweep_streams_max", sweep_streams_max, {1, 10'000},
                     "Streams that a sweep delivers in one transaction.");
        binder.field("sweep_page_max", sweep_page_max, {1, 1'000'000},
                     "Streams left behind that one look sees.");
        binder.section("endpoints", endpoints, "Calls to sellers' HTTP endpoints.");
    }
};

}  // namespace cartwright::router
