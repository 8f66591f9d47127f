#include "common/worker/rules_places.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace cartwright::worker;
namespace files = std::filesystem;

namespace {

using Places = std::set<Place>;

struct Folder {
    files::path path =
        files::canonical(files::temp_directory_path()) / ("places-" + std::to_string(getpid()));
    Folder() {
        files::remove_all(path);
        files::create_directories(path);
    }
    ~Folder() { files::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string operator/(const std::string& name) const { return (path / name).string(); }
    void file(const std::string& name) const {
        files::create_directories((path / name).parent_path());
        std::ofstream(path / name) << "x";
    }
    void link(const std::string& name, const std::string& target) const {
        files::create_symlink(target, path / name);
    }
};

}  // namespace

TEST_CASE("a plain path is watched at its end, or where it stops") {
    const Folder here;
    here.file("a/b/c");
    CHECK(places_on_the_way(here / "a/b/c") == Places{{here / "a/b", "c"}});
    CHECK(places_on_the_way(here / "a/./b/") == Places{{here / "a", "b"}});
    CHECK(places_on_the_way(here / "a/x/c") == Places{{here / "a", "x"}});
    CHECK(places_on_the_way("/").empty());
    CHECK(places_on_the_way("no-such-name/x") == Places{{".", "no-such-name"}});
}

TEST_CASE("links are watched one behind the other") {
    const Folder here;
    here.file("a/real");
    here.link("first", "a/second");
    here.link("a/second", here / "a/real");
    CHECK(places_on_the_way(here / "first") ==
          Places{{here.path.string(), "first"}, {here / "a", "second"}, {here / "a", "real"}});
    here.link("folder", "a");
    CHECK(places_on_the_way(here / "folder/real") ==
          Places{{here.path.string(), "folder"}, {here / "a", "real"}});
    here.link("broken", "a/none");
    CHECK(places_on_the_way(here / "broken") == Places{{here.path.string(), "broken"}, {here / "a", "none"}});
    here.link("circle", "circle");
    CHECK(places_on_the_way(here / "circle") == Places{{here.path.string(), "circle"}});
}

TEST_CASE("a mounted ConfigMap") {
    const Folder here;
    here.file("rules/..2026_1/a.yaml");
    here.link("rules/..data", "..2026_1");
    here.link("rules/a.yaml", "..data/a.yaml");
    here.file("rules/own.yaml");
    here.file("elsewhere/other");
    here.link("rules/notes.txt", "../elsewhere/other");
    CHECK(places_of_rules(here / "rules") ==
          Places{{here.path.string(), "rules"}, {here / "rules/..2026_1", "a.yaml"}});
}
