// What makes two rule sets the same.
#pragma once

#include <string>

#include "common/routing/rules.hpp"

namespace cartwright::config {

/// 16 hexadecimal digits over everything that decides where messages go and how; not the files' names, order
/// of destinations, comments, or secrets.
std::string version_of(const routing::RuleSet& rules);

}  // namespace cartwright::config
