// Where a change may change what a path leads to.
#pragma once

#include <compare>
#include <set>
#include <string>

namespace cartwright::worker {

/// A name in a folder; whether there is anything of that name does not matter.
struct Place {
    std::string folder, name;
    auto operator<=>(const Place&) const = default;
};

/// The symbolic links on the way of a path, one behind the other, and its end; or the first thing that is not
/// there.
std::set<Place> places_on_the_way(const std::string& path);

/// Those of a directory of rules and of its `*.yaml`, up to config::rules_files_max of them. What has its end
/// in the directory itself is not named: that is to be watched as a whole.
std::set<Place> places_of_rules(const std::string& directory);

}  // namespace cartwright::worker
