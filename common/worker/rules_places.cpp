#include "common/worker/rules_places.hpp"

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <list>
#include <system_error>

#include "common/config/rules_file.hpp"

namespace cartwright::worker {
namespace {

namespace files = std::filesystem;

constexpr int links_max = 40;  // as Linux has it

std::list<std::string> parts_of(const files::path& path) {
    std::list<std::string> parts;
    for (const auto& part : path.relative_path()) {
        if (!part.empty() && part != ".") parts.push_back(part.string());
    }
    return parts;
}

}  // namespace

std::set<Place> places_on_the_way(const std::string& path) {
    std::set<Place> places;
    auto left = parts_of(path);
    files::path reached = files::path(path).is_absolute() ? "/" : ".";
    for (int links = 0; !left.empty();) {
        const auto name = left.front();
        left.pop_front();
        std::error_code error;
        const auto status = files::symlink_status(reached / name, error);
        const bool link = files::is_symlink(status);
        if (name != ".." && (link || left.empty() || !files::exists(status)))
            places.insert({reached.string(), name});
        if (!link) {
            if (!files::exists(status)) return places;
            reached /= name;
            continue;
        }
        const auto target = files::read_symlink(reached / name, error);
        if (error || ++links > links_max) return places;
        if (target.is_absolute()) reached = "/";
        left.splice(left.begin(), parts_of(target));
    }
    return places;
}

std::set<Place> places_of_rules(const std::string& directory) {
    auto places = places_on_the_way(directory);
    std::error_code error;
    std::size_t links = 0;
    files::directory_iterator entry(directory, error);
    for (; !error && entry != files::directory_iterator(); entry.increment(error)) {
        std::error_code unknown;
        if (entry->path().extension() != ".yaml" || !entry->is_symlink(unknown)) continue;
        if (++links > config::rules_files_max) break;
        places.merge(places_on_the_way(entry->path().string()));
    }
    std::erase_if(places, [&](const Place& place) { return place.folder == directory; });
    return places;
}

}  // namespace cartwright::worker
