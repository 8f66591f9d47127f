// Lanes of the fleet: what common/worker/lane does, one step at a time, around the product's handlers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/worker/handler.hpp"
#include "tests/model/world.hpp"

namespace cartwright::model {

struct LanePlan {
    std::string name;
    std::string worker;
    std::vector<std::string> queues;
    std::size_t members_max = 4;
    std::size_t in_flight_max = 2;  ///< a delivery lane has 1
    std::int64_t tick_us = 0;       ///< 0: it has none
    bool ladder_ends = true;
    std::function<std::unique_ptr<worker::Handler>()> make;
};

/// The body of a lane's actor; never returns.
void run_lane(World& world, Program& program, const LanePlan& plan);

/// The body of a publisher's actor; never returns.
void run_publisher(World& world, Program& program);

}  // namespace cartwright::model
