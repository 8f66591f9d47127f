// What every command of the operator's needs to know.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "common/outcome/trouble.hpp"
#include "common/worker/config.hpp"

namespace cartwright::operating {

/// An environment variable that has to be there.
inline std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') {
        throw outcome::StartupError(std::string(name) +
                                    " is not set; `. .run/env` after `scripts/up`, or set it yourself");
    }
    return value;
}

/// The fleet's settings from a file; defaults and the environment without one.
inline worker::FleetConfig load_fleet(const std::string& file) {
    worker::FleetConfig fleet;
    if (file.empty()) {
        config::load_text(fleet, "", "the environment");
    } else {
        config::load(fleet, file, worker::worker_sections());
    }
    fleet.broker.connection.name = "cartwright";
    return fleet;
}

}  // namespace cartwright::operating
