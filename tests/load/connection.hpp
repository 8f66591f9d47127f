// How the load reaches the broker.
#pragma once

#include <string>

#include "common/amqp/connection_settings.hpp"

namespace cartwright::load {

inline amqp::ConnectionSettings connection_to(const std::string& url, const char* what) {
    amqp::ConnectionSettings settings;
    settings.url = url;
    settings.name = std::string("cartwright load, ") + what;
    return settings;
}

}  // namespace cartwright::load
