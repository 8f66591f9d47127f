#include "common/config/rules_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/config/config.hpp"
#include "common/config/document.hpp"
#include "common/config/rules_loader.hpp"
#include "common/config/rules_version.hpp"

namespace cartwright::config {
namespace {

using routing::DeliveryRule;
using routing::Match;
using routing::StreamRule;

constexpr std::int64_t number_max = std::numeric_limits<std::int64_t>::max();

bool is_name(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

bool has(const Node& mapping, std::string_view key) {
    return std::any_of(mapping.entries.begin(), mapping.entries.end(),
                       [&](const Entry& entry) { return entry.key == key; });
}

/// Whoever writes a secret where its place was to be named shall not read it in a log.
std::string without_secrets(std::string line) {
    constexpr std::string_view begin = "whsec_";
    constexpr std::string_view base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-";
    for (auto at = line.find(begin); at != std::string::npos; at = line.find(begin, at)) {
        at += begin.size();
        const auto end = std::min(line.find_first_not_of(base64, at), line.size());
        if (end > at) line.replace(at, end - at, "…");
    }
    return line;
}

}  // namespace

RulesLoader::RulesLoader(std::span<const RulesText> files, const SecretKey& secret_key, Secrets secrets)
    : files_(files), secret_key_(secret_key), secrets_(secrets) {
    for (const auto& file : files) problems_.emplace_back(file.file_name);
}

LoadedRules RulesLoader::load() {
    for (file_ = 0; file_ < files_.size(); ++file_) read(file_);
    check_destinations();
    check_fallbacks();
    check_covered(loaded_.rules.streams, stream_places_);
    check_covered(loaded_.rules.deliveries, delivery_places_);
    for (auto& problems : problems_) {
        loaded_.problems_count += problems.size();
        for (auto& line : problems.lines()) loaded_.problems.push_back(without_secrets(std::move(line)));
    }
    loaded_.rules.version = version_of(loaded_.rules);
    return std::move(loaded_);
}

void RulesLoader::read(std::size_t file) {
    auto& problems = problems_[file];
    if (!files_[file].unreadable.empty())
        return problems.add(
            {}, fmt::format("it can't be read: {}; mend it or take it away", files_[file].unreadable));
    if (files_[file].text.size() > file_bytes_max)
        return problems.add({}, fmt::format("it is longer than {} bytes; split it", file_bytes_max));
    const auto root = parse_document(files_[file].text, problems);
    if (root.kind == NodeKind::nothing || root.kind == NodeKind::unusable) return;
    tree().mapping(
        root, "a rule file", {"destinations", "streams", "deliveries", "examples"},
        [&](const std::string& key, const Node& value) {
            if (value.kind == NodeKind::nothing) return;
            if (key == "destinations")
                return tree().named(value, key, [&](const Entry& entry) { read_destination(entry); });
            tree().list(value, key, std::numeric_limits<std::size_t>::max(), [&](const Node& item) {
                if (key == "streams") return read_stream_rule(item);
                if (key == "deliveries") return read_delivery_rule(item);
                read_example(item);
            });
        });
}

std::string RulesLoader::shown_place(const Place& place) const {
    return fmt::format("{}:{}:{}", files_[place.file].file_name, place.at.line, place.at.column);
}

std::string RulesLoader::read_name(const Node& node, const char* what) {
    auto name = tree().text(node, what, rules_name_bytes_max);
    if (name.empty() || is_name(name)) return name;
    tree().complain(node,
                    fmt::format("{} is {}; write it with a to z, 0 to 9 and - alone", what, shown(name)));
    return {};
}

void RulesLoader::once(Places& names, const std::string& name, const Node& node, const char* what) {
    if (name.empty()) return;
    const auto [there, first] = names.emplace(name, Place{file_, node.at});
    if (!first)
        tree().complain(node, fmt::format("there is a {} {} at {} already; give this one another name", what,
                                          name, shown_place(there->second)));
}

bool RulesLoader::room(std::size_t& count, const Node& node, const char* what) {
    if (++count == rules_max + 1)
        tree().complain(node, fmt::format("there are more than {} {}; take some away", rules_max, what));
    return count <= rules_max;
}

void RulesLoader::read_value(const Node& node, Match& match) {
    tree().mapping(node, "value_minor", {"from", "to"}, [&](const std::string& key, const Node& value) {
        (key == "from" ? match.value_minor_from : match.value_minor_to) =
            tree().integer(value, key, 0, number_max);
    });
    if (node.kind != NodeKind::mapping) return;
    if (match.value_minor_from && match.value_minor_to && *match.value_minor_from > *match.value_minor_to)
        tree().complain(node, "`from` is above `to`, so that nothing would match; swap them");
    if (node.entries.empty()) tree().complain(node, "value_minor is empty; give it `from`, `to` or both");
}

void RulesLoader::read_condition(const std::string& key, const Node& value, Match& match) {
    if (key == "value_minor") return read_value(value, match);
    const std::map<std::string, std::vector<routing::Pattern>*> fields{
        {"seller", &match.seller}, {"stream", &match.stream},     {"region", &match.region},
        {"tag", &match.tag},       {"channel", &match.channel},   {"currency", &match.currency},
        {"sku", &match.sku},       {"category", &match.category}, {"warehouse", &match.warehouse}};
    auto& patterns = *fields.at(key);
    for (auto& text : tree().texts(value, key, rules_value_bytes_max)) {
        const auto star = text.find('*');
        if (star != std::string::npos && star + 1 != text.size())
            tree().complain(
                value, fmt::format("{} has a * before its end; it may stand at the end only", shown(text)));
        const bool prefix = star != std::string::npos;
        patterns.push_back({prefix ? text.substr(0, star) : text, prefix});
    }
}

Match RulesLoader::read_match(const Node& node, const std::vector<std::string>& conditions) {
    Match match;
    tree().mapping(node, "match", conditions,
                   [&](const std::string& key, const Node& value) { read_condition(key, value, match); });
    if (has(node, "value_minor") && !has(node, "currency"))
        tree().complain(node, "value_minor needs `currency` beside it; an amount is one of a currency");
    return match;
}

void RulesLoader::read_rule_name(const Node& node, const char* what, Places& names, std::string& name) {
    name = read_name(node, "a rule's name");
    once(names, name, node, what);
    if (name == "default")
        tree().complain(node,
                        "no rule may be called default: examples say so when no rule matches; name it "
                        "after what it does");
}

void RulesLoader::read_stream_rule(const Node& node) {
    if (!room(streams_, node, "stream rules")) return;
    StreamRule rule;
    tree().mapping(node, "a stream rule", {"name", "match", "stream"},
                   [&](const std::string& key, const Node& value) {
                       if (key == "name") {
                           read_rule_name(value, "stream rule", stream_names_, rule.name);
                       } else if (key == "match") {
                           rule.match = read_match(value, {"seller", "region", "tag", "channel", "currency",
                                                           "value_minor", "sku", "category", "warehouse"});
                       } else {
                           rule.stream = StreamName(read_name(value, "a stream's name"));
                       }
                   });
    if (node.kind != NodeKind::mapping) return;
    if (!has(node, "name")) tree().complain(node, "a stream rule has no name; give it one");
    if (!has(node, "stream")) tree().complain(node, "a stream rule names no stream; say which, `stream: …`");
    loaded_.rules.streams.push_back(std::move(rule));
    stream_places_.push_back({file_, node.at});
}

void RulesLoader::read_delivery_rule(const Node& node) {
    if (!room(deliveries_, node, "delivery rules")) return;
    DeliveryRule rule;
    tree().mapping(node, "a delivery rule", {"name", "match", "to"},
                   [&](const std::string& key, const Node& value) {
                       if (key == "name") {
                           read_rule_name(value, "delivery rule", delivery_names_, rule.name);
                       } else if (key == "match") {
                           rule.match = read_match(value, {"seller", "stream"});
                       } else {
                           rule.destination = read_name(value, "a destination");
                           named_destinations_.emplace_back(rule.destination, Place{file_, value.at});
                       }
                   });
    if (node.kind != NodeKind::mapping) return;
    if (!has(node, "name")) tree().complain(node, "a delivery rule has no name; give it one");
    if (!has(node, "to")) tree().complain(node, "a delivery rule names no destination; say which, `to: …`");
    loaded_.rules.deliveries.push_back(std::move(rule));
    delivery_places_.push_back({file_, node.at});
}

void RulesLoader::read_expected(const Node& node, RulesExample& example) {
    const std::map<std::string, std::string*> fields{{"stream", &example.stream},
                                                     {"destination", &example.destination},
                                                     {"stream_rule", &example.stream_rule},
                                                     {"delivery_rule", &example.delivery_rule}};
    tree().mapping(
        node, "expect", {"stream", "destination", "stream_rule", "delivery_rule"},
        [&](const std::string& key, const Node& value) { *fields.at(key) = read_name(value, key.c_str()); });
    if (node.kind == NodeKind::mapping && node.entries.empty())
        tree().complain(node, "expect is empty; say which stream, destination, stream_rule or delivery_rule");
}

void RulesLoader::read_example(const Node& node) {
    if (!room(examples_, node, "examples")) return;
    RulesExample example;
    example.place = shown_place({file_, node.at});
    tree().mapping(node, "an example", {"name", "given", "expect"},
                   [&](const std::string& key, const Node& value) {
                       if (key == "name")
                           example.name = tree().text(value, "an example's name", rules_value_bytes_max);
                       if (key == "given") read_given(tree(), value, example);
                       if (key == "expect") read_expected(value, example);
                   });
    if (node.kind != NodeKind::mapping) return;
    if (!has(node, "name") || !has(node, "given") || !has(node, "expect"))
        tree().complain(node, "an example is not whole; it has a name, what is given, and what to expect");
    loaded_.examples.push_back(std::move(example));
}

template <class Rule>
void RulesLoader::check_covered(const std::vector<Rule>& rules, const std::vector<Place>& places) {
    for (const auto& [rule, by] : routing::covered(rules)) {
        // Which is the first of two with one name is said already, and a rule without one is not whole.
        if (rules[rule].name.empty() || rules[by].name.empty()) continue;
        problems_[places[rule].file].add(
            places[rule].at,
            fmt::format("rule {} is never reached: rule {} at {} matches all that it does; put this one "
                        "before it or take it away",
                        rules[rule].name, rules[by].name, shown_place(places[by])));
    }
}

LoadedRules load_rules(std::span<const RulesText> files, const SecretKey& secret_key, Secrets secrets) {
    return RulesLoader(files, secret_key, secrets).load();
}

}  // namespace cartwright::config
