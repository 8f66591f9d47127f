// The splitter's own settings.
#pragma once

#include <cstddef>

#include "common/worker/config.hpp"

namespace cartwright::splitter {

struct Config {
    worker::LaneConfig orders{16, 1'000};
    std::size_t events_per_message_max = 500;
    std::size_t bytes_per_message_max = 786'432;

    void describe(config::Binder& binder) {
        binder.section("orders", orders, "The lane of orders and cancellations.");
        binder.field("events_per_message_max", events_per_message_max, {1, 1'000},
                     "Events in one message to the router.");
        binder.field("bytes_per_message_max", bytes_per_message_max, {1'024, 67'108'864},
                     "Bytes of one such message.");
    }
};

}  // namespace cartwright::splitter
