// `cartwright stream list|show|resume|void|switch`.
#pragma once

namespace CLI {
class App;
}

namespace cartwright::operating {

/// Adds the command; its callback sets the exit code.
void add_stream(CLI::App& app, int& exit_code);

}  // namespace cartwright::operating
