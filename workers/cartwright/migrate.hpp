// `cartwright migrate`.
#pragma once

namespace CLI {
class App;
}

namespace cartwright::operating {

/// Adds the command; its callback sets the exit code.
void add_migrate(CLI::App& app, int& exit_code);

}  // namespace cartwright::operating
