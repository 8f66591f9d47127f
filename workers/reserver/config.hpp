// The reserver's own settings.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/config/config.hpp"
#include "common/stock/allocation.hpp"
#include "common/worker/config.hpp"
#include "common/worker/packing.hpp"
#include "workers/reserver/known_positions.hpp"

namespace cartwright::reserver {

struct Config {
    worker::LaneConfig carts{3'000, 1'000};
    worker::LaneConfig movements{600, 200};
    std::chrono::milliseconds movements_gather{40};
    std::size_t lines_max = 500;
    std::int64_t quantity_max = 100'000;
    std::chrono::milliseconds clock_ahead_max{300'000};
    std::string default_warehouse = "main";
    stock::FillOrder fill_order = stock::FillOrder::oldest_first;
    std::size_t fill_orders_max = 50;
    std::size_t shortfall_orders_max = 100;
    KnownPositions::Settings known_positions;
    bool public_events = false;
    worker::PackLimits packing;  ///< what the next worker takes; not a setting of its own

    void describe(config::Binder& binder) {
        binder.section("carts", carts, "The lane of carts.");
        binder.section("movements", movements, "The lane of stock movements and cancellations.");
        binder.field(
            "movements_gather_ms", movements_gather, {0, 10'000},
            "Where several movements wait, so long is waited for a full batch; one alone never waits.");
        binder.field("lines_max", lines_max, {1, 10'000}, "A cart with more lines is rejected.");
        binder.field("quantity_max", quantity_max, {1, 1'000'000},
                     "A line that asks for more units is rejected.");
        binder.field("clock_ahead_max_ms", clock_ahead_max, {0, 86'400'000},
                     "A movement that happened further in the future is rejected.");
        binder.field("default_warehouse", default_warehouse,
                     "Where a SKU lies of which nothing is known yet.");
        binder.choice(
            "fill_order", fill_order,
            {{"oldest_first", stock::FillOrder::oldest_first},
             {"fillable_first", stock::FillOrder::fillable_first}},
            "Which held carts new stock goes to: the oldest keeps its place, or whoever can be filled.");
        binder.field("fill_orders_max", fill_orders_max, {1, 1'000},
                     "Held carts that one transaction looks at.");
        binder.field("shortfall_orders_max", shortfall_orders_max, {1, 1'000},
                     "Orders that a shortfall's announcement names.");
        binder.field("known_positions_max", known_positions.entries_max, {1, 100'000'000},
                     "Positions with plenty of stock that a lane remembers instead of reading them.");
        binder.field("known_positions_age_max_ms", known_positions.age_max, {0, 3'600'000},
                     "An older one is read again; 0 reads always. A new warehouse is seen by then.");
        binder.field("known_positions_spare", known_positions.spare, {0, 1'000'000'000},
                     "Units that are left of plenty, beside what four such batches take.");
        binder.field("public_events", public_events,
                     "Publish every order's and position's change to exchange `events`.");
    }
};

}  // namespace cartwright::reserver
