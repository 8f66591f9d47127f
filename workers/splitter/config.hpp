// The splitter's own settings.
#pragma once

#include "common/worker/config.hpp"
#include "common/worker/packing.hpp"

namespace cartwright::splitter {

struct Config {
    worker::LaneConfig orders{8, 500};
    worker::PackLimits packing;  ///< what the router takes; not a setting of its own

    void describe(config::Binder& binder) {
        binder.section("orders", orders, "The lane of orders and cancellations.");
    }
};

}  // namespace cartwright::splitter
