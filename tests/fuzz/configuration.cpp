// The configuration file, as every program reads it.
#include <string>

#include "common/outcome/trouble.hpp"
#include "common/worker/config.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

/// All problems, one a line; empty when there is none.
std::string problems_of(const std::string& text) {
    worker::FleetConfig fleet;
    try {
        config::load_text(fleet, text, "c.yaml", worker::worker_sections());
    } catch (const outcome::StartupError& error) {
        check_complaint(error.what(), 1'000'000);
        return error.what();
    }
    return "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(text_of(data, size));
    const auto problems = problems_of(text);
    property(problems == problems_of(text), "the same file has the same problems");
    property(problems.empty() || problems.starts_with("c.yaml:"), "problems begin with the file's name");
    return 0;
}
