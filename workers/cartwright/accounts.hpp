// Each program of the fleet has an account of its own on every server, with no right that it does not need.
#pragma once

#include <optional>
#include <string>

#include "common/amqp/topology.hpp"
#include "common/codec/management.hpp"

namespace cartwright::operating {

/// "cartwright_reserver": its name on RabbitMQ, PostgreSQL and MariaDB.
std::string account_of(const std::string& program);
/// "CARTWRIGHT_RESERVER_PASSWORD": the variable with its password; with _FILE behind it, that names a file.
std::string password_variable(const std::string& program);
/// The password that the environment holds, if any; throws outcome::StartupError when it can't be read.
std::optional<std::string> password_of(const std::string& program);
/// What it may do on the broker, in the words of the management API.
codec::ManagedPermission permission_of(const amqp::User& user);

}  // namespace cartwright::operating
