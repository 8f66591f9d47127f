// Routing rules from YAML: every `*.yaml` of a directory, read as one rule set. The format is taught in
// deploy/routing-rules.md.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/routing/rules.hpp"

namespace cartwright::config {

inline constexpr std::size_t rules_max = 10'000;  ///< of each kind, and destinations

struct RulesText {
    std::string file_name;
    std::string text;
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
    /// there is something, the rules are not to be used.
    std::vector<std::string> problems;
};

/// The key's bytes of a secret's text ("whsec_<base64>"); nothing when it is none.
using SecretKey = std::function<std::optional<std::string>(std::string_view)>;

/// Secrets are read from where the rules say (env:NAME, file:PATH) and never shown; they are not part of the
/// version.
LoadedRules load_rules(std::span<const RulesText> files, const SecretKey& secret_key);

/// The `*.yaml` of a directory in order of their names, names that begin with a dot left out; or why it can't
/// be read.
std::variant<std::vector<RulesText>, std::string> read_rules_directory(const std::string& directory);

/// One sentence an example that goes elsewhere.
std::vector<std::string> failed_examples(const routing::Rules& rules, std::span<const RulesExample> examples);

}  // namespace cartwright::config
