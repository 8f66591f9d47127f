// Routing rules from YAML: every `*.yaml` of a directory, read as one rule set. The format is taught in
// deploy/routing-rules.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/routing/rules.hpp"

namespace cartwright::config {

inline constexpr std::size_t rules_max = 10'000;  ///< of each kind, and destinations, and examples
inline constexpr std::size_t rules_files_max = 1'000;
inline constexpr std::size_t rules_bytes_max = 16'777'216;  ///< of all files together

struct RulesText {
    std::string file_name;
    std::string text;
    std::string unreadable{};  ///< why there is no text
};

/// A message that is given, and where it is expected to go.
struct RulesExample {
    std::string name;
    std::string place;  ///< file:line:column
    std::string seller, region, channel, currency;
    std::vector<std::string> tags, skus, categories, warehouses;
    std::int64_t value_minor = 0;
    std::string stream, destination;         ///< expected; empty: anything
    std::string stream_rule, delivery_rule;  ///< likewise; `default`: no rule
    /// Valid while the example lives.
    routing::Facts facts() const;
};

struct LoadedRules {
    routing::RuleSet rules;
    std::vector<RulesExample> examples;
    /// Everything that is wrong, "file:line:column: what, and what to do", in the order of the files. When
    /// there is something, the rules are not to be used. Of a file no more than problems_max, then how many
    /// more.
    std::vector<std::string> problems;
    std::size_t problems_count = 0;  ///< all of them
};

/// The key's bytes of a secret's text ("whsec_<base64>"); nothing when it is none.
using SecretKey = std::function<std::optional<std::string>(std::string_view)>;

/// Whoever only wants to know where messages go can do without: then endpoints have no keys.
enum class Secrets { read, skip };

/// Secrets are read from where the rules say (env:NAME, file:PATH) and never shown; they are not part of the
/// version.
LoadedRules load_rules(std::span<const RulesText> files, const SecretKey& secret_key,
                       Secrets secrets = Secrets::read);

/// The `*.yaml` of a directory in order of their names, names that begin with a dot left out; or why it can't
/// be read.
std::variant<std::vector<RulesText>, std::string> read_rules_directory(const std::string& directory);

/// A message in the form of an example's `given` (YAML or JSON), or everything that is wrong with it.
std::variant<RulesExample, std::vector<std::string>> read_given(const RulesText& text);

/// One sentence an example that goes elsewhere.
std::vector<std::string> failed_examples(const routing::Rules& rules, std::span<const RulesExample> examples);

}  // namespace cartwright::config
