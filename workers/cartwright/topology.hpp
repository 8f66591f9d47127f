// `cartwright topology apply|check|show`.
#pragma once

namespace cartwright::command_line {
class Command;
}

namespace cartwright::operating {

/// Adds the command; its callback sets the exit code.
void add_topology(command_line::Command& program, int& exit_code);

}  // namespace cartwright::operating
