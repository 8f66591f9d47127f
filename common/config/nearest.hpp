// "Did you mean …?"
#pragma once

#include <string>
#include <vector>

namespace cartwright::config {

/// The candidate that differs from `name` by the fewest typing errors (a letter added, left out, replaced, or
/// two neighbours swapped); empty where all differ too much to be meant.
std::string nearest(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace cartwright::config
