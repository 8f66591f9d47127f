// `cartwright rules check|test|explain`.
#pragma once

#include <string>

#include "common/routing/rules.hpp"

namespace cartwright::command_line {
class Command;
}

namespace cartwright::operating {

/// Adds the command; its callback sets the exit code.
void add_rules(command_line::Command& program, int& exit_code);

/// The rules that the fleet's configuration names; none where it names none. Throws outcome::StartupError
/// with everything that is wrong.
routing::Rules rules_of_fleet(const std::string& config_file);

}  // namespace cartwright::operating
