// `cartwright parked list|show|replay`.
#pragma once

namespace cartwright::command_line {
class Command;
}

namespace cartwright::operating {

/// Adds the command; its callback sets the exit code.
void add_parked(command_line::Command& program, int& exit_code);

}  // namespace cartwright::operating
