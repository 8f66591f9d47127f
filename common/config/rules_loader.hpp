// Reads rule files into one rule set and collects what is wrong. For common/config alone.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/config/problems.hpp"
#include "common/config/rules_file.hpp"
#include "common/config/tree.hpp"

namespace cartwright::config {

inline constexpr std::size_t rules_name_bytes_max = 64;
inline constexpr std::size_t rules_value_bytes_max = 200;

class RulesLoader {
  public:
    RulesLoader(std::span<const RulesText> files, const SecretKey& secret_key, Secrets secrets);
    LoadedRules load();

  private:
    /// Where something stands, for sentences about something else.
    struct Place {
        std::size_t file = 0;
        Position at;
    };
    using Places = std::map<std::string, Place>;

    void read(std::size_t file);
    void read_stream_rule(const Node& node);
    void read_delivery_rule(const Node& node);
    void read_rule_name(const Node& node, const char* what, Places& names, std::string& name);
    routing::Match read_match(const Node& node, const std::vector<std::string>& conditions);
    void read_condition(const std::string& key, const Node& value, routing::Match& match);
    void read_value(const Node& node, routing::Match& match);
    void read_example(const Node& node);
    void read_expected(const Node& node, RulesExample& example);
    template <class Rule>
    void check_covered(const std::vector<Rule>& rules, const std::vector<Place>& places);

    void read_destination(const Entry& entry);
    void read_endpoint(const std::string& key, const Node& value, routing::Destination& destination);
    void read_secret(const Node& node, routing::Destination& destination);
    void read_fallback(const Node& node, routing::Destination& destination);
    void check_destinations();
    void check_fallbacks();

    /// A name, or nothing with a problem recorded.
    std::string read_name(const Node& node, const char* what);
    void once(Places& names, const std::string& name, const Node& node, const char* what);
    /// False, and a problem once, when there are enough of them already, over all files.
    bool room(std::size_t& count, const Node& node, const char* what);
    std::string shown_place(const Place& place) const;
    Tree tree() { return Tree(problems_[file_]); }

    std::span<const RulesText> files_;
    const SecretKey& secret_key_;
    Secrets secrets_;
    std::vector<Problems> problems_;  ///< one a file
    std::size_t file_ = 0;            ///< the one being read
    LoadedRules loaded_;
    std::size_t streams_ = 0, deliveries_ = 0, destinations_ = 0, examples_ = 0;
    std::vector<Place> stream_places_, delivery_places_;
    Places stream_names_, delivery_names_, destination_places_, fallback_places_;
    std::vector<std::pair<std::string, Place>> named_destinations_;  ///< by delivery rules and fallbacks
};

/// Reads what an example gives, or a message to be explained.
void read_given(Tree tree, const Node& node, RulesExample& example);

}  // namespace cartwright::config
