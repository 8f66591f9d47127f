// Routing rules: up to three files, separated by lines of `%%%`, and a message to be explained.
#include <algorithm>
#include <string>
#include <vector>

#include "common/config/rules_file.hpp"
#include "common/crypto/webhook.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

constexpr std::size_t line_bytes_max = 2'000;  // a problem may name rules and files

std::vector<config::RulesText> files_of(std::string_view text) {
    std::vector<config::RulesText> files;
    while (files.size() < 3) {
        const auto end = text.find("\n%%%\n");
        files.push_back({std::to_string(files.size()) + ".yaml", std::string(text.substr(0, end))});
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 5);
    }
    return files;
}

void check_good(config::LoadedRules loaded) {
    const auto version = loaded.rules.version;
    property(version.size() == 16, "a rule set has a version");
    const routing::Rules rules(std::move(loaded.rules));
    property(rules.set().version == version, "rules keep their version");
    for (const auto& sentence : config::failed_examples(rules, loaded.examples))
        check_complaint(sentence, line_bytes_max);
    const auto chosen = rules.choose_destination("acme", "main");
    property(chosen.destination != nullptr, "rules choose a destination that is there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto files = files_of(text_of(data, size));
    auto loaded = config::load_rules(files, crypto::webhook_key, config::Secrets::skip);
    for (const auto& problem : loaded.problems) check_complaint(problem, line_bytes_max);
    property(loaded.problems_count >= loaded.problems.size() || loaded.problems_count == 0 ||
                 loaded.problems.size() <= loaded.problems_count + files.size(),
             "problems are counted");
    if (loaded.problems.empty()) check_good(std::move(loaded));
    const auto given = config::read_given(files[0]);
    if (const auto* problems = std::get_if<std::vector<std::string>>(&given)) {
        property(!problems->empty(), "what can't be read has a problem");
        for (const auto& problem : *problems) check_complaint(problem, line_bytes_max);
    }
    return 0;
}
