// Where the environment holds a secret.
#pragma once

#include <optional>
#include <string>

#include "common/config/problems.hpp"

namespace cartwright::config {

/// The value of the environment variable, or the content of the file that `<variable>_FILE` names, without
/// one line feed at its end; nothing where neither is set (an empty variable counts as not set). Both, or a
/// file that cannot be read, is a problem.
std::optional<std::string> secret_from_environment(const std::string& variable, Problems& problems);

}  // namespace cartwright::config
