#include "common/config/rules_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>

#include "common/config/config.hpp"
#include "common/config/document.hpp"
#include "common/config/file.hpp"
#include "common/config/problems.hpp"
#include "common/config/rules_version.hpp"
#include "common/config/tree.hpp"
#include "common/config/url.hpp"

namespace cartwright::config {
namespace {

using routing::DeliveryRule;
using routing::Destination;
using routing::Match;
using routing::Pattern;
using routing::StreamRule;

constexpr std::size_t name_bytes_max = 64;
constexpr std::size_t value_bytes_max = 200;
constexpr std::size_t url_bytes_max = 2'000;
constexpr std::size_t path_bytes_max = 1'000;
constexpr std::size_t secrets_max = 4;
constexpr std::size_t secret_file_bytes_max = 10'000;
constexpr std::int64_t number_max = std::numeric_limits<std::int64_t>::max();

bool is_name(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

/// Where something stands, for sentences about something else.
struct Place {
    std::size_t file = 0;
    Position at;
};

class Loader {
  public:
    Loader(std::span<const RulesText> files, const SecretKey& secret_key)
        : files_(files), secret_key_(secret_key) {
        for (const auto& file : files) problems_.emplace_back(file.file_name);
    }
    LoadedRules load();

  private:
    void read(std::size_t file);
    void read_destinations(const Node& node);
    void read_destination(const Entry& entry);
    void read_endpoint(const std::string& key, const Node& value, Destination& destination);
    void read_secret(const Node& node, Destination& destination);
    void read_fallback(const Node& node, Destination& destination);
    void read_stream_rule(const Node& node);
    void read_delivery_rule(const Node& node);
    std::string read_name(const Node& node, const char* what);
    void once(std::map<std::string, Place>& names, const std::string& name, const Node& node,
              const char* what);
    void read_condition(const std::string& key, const Node& value, Match& match);
    void read_value(const Node& node, Match& match);
    Match read_match(const Node& node, const std::vector<std::string>& conditions);
    void read_example(const Node& node);
    void read_given(const Node& node, RulesExample& example);
    void check_destinations();
    void check_fallbacks();
    template <class Rule>
    void check_covered(const std::vector<Rule>& rules, const std::vector<Place>& places);
    std::string shown_place(const Place& place) const;
    Tree tree() { return Tree(problems_[file_]); }

    std::span<const RulesText> files_;
    const SecretKey& secret_key_;
    std::vector<Problems> problems_;
    std::size_t file_ = 0;  ///< the one being read
    LoadedRules loaded_;
    std::vector<Place> stream_places_, delivery_places_;
    std::map<std::string, Place> stream_names_, delivery_names_, destination_places_, example_names_;
    std::map<std::string, Place> fallback_places_;
    std::vector<std::pair<std::string, Place>> named_destinations_;  ///< by delivery rules and fallbacks
};

std::string Loader::shown_place(const Place& place) const {
    return fmt::format("{}:{}:{}", files_[place.file].file_name, place.at.line, place.at.column);
}

LoadedRules Loader::load() {
    for (file_ = 0; file_ < files_.size(); ++file_) read(file_);
    check_destinations();
    check_fallbacks();
    check_covered(loaded_.rules.streams, stream_places_);
    check_covered(loaded_.rules.deliveries, delivery_places_);
    for (auto& problems : problems_) {
        for (auto& line : problems.lines()) loaded_.problems.push_back(std::move(line));
    }
    loaded_.rules.version = version_of(loaded_.rules);
    return std::move(loaded_);
}

void Loader::read(std::size_t file) {
    if (files_[file].text.size() > file_bytes_max) {
        problems_[file].add({}, fmt::format("it is longer than {} bytes; split it", file_bytes_max));
        return;
    }
    const auto root = parse_document(files_[file].text, problems_[file]);
    if (root.kind == NodeKind::nothing || root.kind == NodeKind::unusable) return;
    tree().mapping(root, "a rule file", {"destinations", "streams", "deliveries", "examples"},
                   [&](const std::string& key, const Node& value) {
                       if (value.kind == NodeKind::nothing) return;
                       if (key == "destinations") return read_destinations(value);
                       tree().list(value, key, rules_max, [&](const Node& item) {
                           if (key == "streams") return read_stream_rule(item);
                           if (key == "deliveries") return read_delivery_rule(item);
                           read_example(item);
                       });
                   });
}

void Loader::once(std::map<std::string, Place>& names, const std::string& name, const Node& node,
                  const char* what) {
    if (name.empty()) return;
    const auto [there, first] = names.emplace(name, Place{file_, node.at});
    if (!first)
        tree().complain(
            node, fmt::format("there is a {} {} at {} already", what, name, shown_place(there->second)));
}

std::string Loader::read_name(const Node& node, const char* what) {
    auto name = tree().text(node, what, name_bytes_max);
    if (name.empty() || is_name(name)) return name;
    tree().complain(node, fmt::format("{} is to be of a to z, 0 to 9 and -", what));
    return {};
}

void Loader::read_destinations(const Node& node) {
    tree().named(node, "destinations", [&](const Entry& entry) { read_destination(entry); });
}

void Loader::read_destination(const Entry& entry) {
    Node name;
    name.at = entry.at;
    name.kind = NodeKind::scalar;
    name.text = entry.key;
    Destination destination;
    destination.name = read_name(name, "a destination's name");
    destination.kind = Destination::Kind::endpoint;
    if (entry.key == routing::shared_destination || entry.key == routing::own_destination)
        tree().complain(name, fmt::format("{} is there always; give this one another name", entry.key));
    once(destination_places_, destination.name, name, "destination");
    tree().mapping(
        entry.value, "a destination",
        {"url", "secrets", "calls_max", "connect_timeout_ms", "total_timeout_ms", "ca_file",
         "private_addresses", "fallback"},
        [&](const std::string& key, const Node& value) { read_endpoint(key, value, destination); });
    const auto& endpoint = destination.endpoint;
    if (entry.value.kind != NodeKind::mapping) return;
    if (endpoint.url.empty()) {
        const bool given = std::any_of(entry.value.entries.begin(), entry.value.entries.end(),
                                       [](const Entry& one) { return one.key == "url"; });
        if (!given) tree().complain(name, "a destination needs a url");
    } else if (const auto why = url_trouble(endpoint.url, endpoint.private_addresses); !why.empty()) {
        tree().complain(name, fmt::format("its url {}", why));
    }
    const bool signs = std::any_of(entry.value.entries.begin(), entry.value.entries.end(),
                                   [](const Entry& one) { return one.key == "secrets"; });
    if (!signs) tree().complain(name, "a destination needs secrets, so that its receiver knows who calls");
    if (!destination.name.empty())
        loaded_.rules.destinations.emplace(destination.name, std::move(destination));
}

void Loader::read_endpoint(const std::string& key, const Node& value, Destination& destination) {
    auto& endpoint = destination.endpoint;
    const auto time = [&](std::chrono::milliseconds& into, std::int64_t max) {
        if (const auto number = tree().integer(value, key, 1, max)) into = std::chrono::milliseconds(*number);
    };
    if (key == "url") {
        endpoint.url = tree().text(value, key, url_bytes_max);
    } else if (key == "secrets") {
        if (value.kind == NodeKind::list && value.items.empty())
            tree().complain(value, "a destination needs at least one secret");
        tree().list(value, key, secrets_max, [&](const Node& item) { read_secret(item, destination); });
    } else if (key == "calls_max") {
        if (const auto number = tree().integer(value, key, 1, 64))
            endpoint.calls_max = static_cast<std::size_t>(*number);
    } else if (key == "connect_timeout_ms") {
        time(endpoint.connect_timeout, 30'000);
    } else if (key == "total_timeout_ms") {
        time(endpoint.total_timeout, 60'000);
    } else if (key == "ca_file") {
        endpoint.ca_file = tree().text(value, key, path_bytes_max);
    } else if (key == "private_addresses") {
        endpoint.private_addresses = tree().boolean(value, key).value_or(false);
    } else {
        read_fallback(value, destination);
    }
}

/// Texts are told by where they come from, never by what they are.
void Loader::read_secret(const Node& node, Destination& destination) {
    const auto from = tree().text(node, "a secret", path_bytes_max);
    if (from.empty()) return;
    std::string secret;
    if (from.starts_with("env:")) {
        const char* value = std::getenv(from.c_str() + 4);
        if (value == nullptr)
            return tree().complain(node, fmt::format("the environment has no {}", from.substr(4)));
        secret = value;
    } else if (from.starts_with("file:")) {
        auto content = read_file(from.substr(5), secret_file_bytes_max);
        if (const auto* trouble = std::get_if<Unreadable>(&content))
            return tree().complain(node,
                                   fmt::format("{} can't be read: {}", from.substr(5), trouble->reason));
        secret = std::get<std::string>(std::move(content));
        if (secret.ends_with('\n')) secret.pop_back();
    } else {
        return tree().complain(node, "a secret is named by where it is: env:NAME or file:PATH");
    }
    auto key = secret_key_(secret);
    if (!key)
        return tree().complain(
            node, fmt::format("{} holds no secret: whsec_ and the base64 of 24 to 64 bytes", from));
    destination.endpoint.secrets.push_back(std::move(*key));
}

void Loader::read_fallback(const Node& node, Destination& destination) {
    routing::Fallback fallback;
    bool to = false, after = false;
    tree().mapping(node, "fallback", {"to", "after_ms"}, [&](const std::string& key, const Node& value) {
        if (key == "to") {
            fallback.to = read_name(value, "a destination");
            to = true;
            named_destinations_.emplace_back(fallback.to, Place{file_, value.at});
        } else if (const auto number = tree().integer(value, key, 0, 2'592'000'000)) {
            fallback.after = std::chrono::milliseconds(*number);
        }
        if (key == "after_ms") after = true;
    });
    if (node.kind != NodeKind::mapping) return;
    if (!to || !after)
        tree().complain(node, "a fallback needs `to`, a destination, and `after_ms`, a time of failures");
    fallback_places_.emplace(destination.name, Place{file_, node.at});
    if (!fallback.to.empty()) destination.fallback = std::move(fallback);
}

void Loader::read_value(const Node& node, Match& match) {
    tree().mapping(node, "value_minor", {"from", "to"}, [&](const std::string& key, const Node& value) {
        (key == "from" ? match.value_minor_from : match.value_minor_to) =
            tree().integer(value, key, 0, number_max);
    });
    if (node.kind != NodeKind::mapping) return;
    if (match.value_minor_from && match.value_minor_to && *match.value_minor_from > *match.value_minor_to)
        tree().complain(node, "`from` is above `to`: nothing would match");
    if (node.entries.empty()) tree().complain(node, "value_minor needs `from`, `to` or both");
}

void Loader::read_condition(const std::string& key, const Node& value, Match& match) {
    if (key == "value_minor") return read_value(value, match);
    const std::map<std::string, std::vector<Pattern>*> fields{
        {"seller", &match.seller}, {"stream", &match.stream},     {"region", &match.region},
        {"tag", &match.tag},       {"channel", &match.channel},   {"currency", &match.currency},
        {"sku", &match.sku},       {"category", &match.category}, {"warehouse", &match.warehouse}};
    auto& patterns = *fields.at(key);
    for (auto& text : tree().texts(value, key, value_bytes_max)) {
        const auto star = text.find('*');
        if (star != std::string::npos && star + 1 != text.size())
            tree().complain(value, fmt::format("{}: * may stand at the end only", shown(text)));
        const bool prefix = star != std::string::npos;
        patterns.push_back({prefix ? text.substr(0, star) : text, prefix});
    }
}

Match Loader::read_match(const Node& node, const std::vector<std::string>& conditions) {
    Match match;
    tree().mapping(node, "match", conditions,
                   [&](const std::string& key, const Node& value) { read_condition(key, value, match); });
    if ((match.value_minor_from || match.value_minor_to) && match.currency.empty())
        tree().complain(node, "value_minor needs `currency` beside it: an amount is of a currency");
    return match;
}

void Loader::read_stream_rule(const Node& node) {
    StreamRule rule;
    bool stream = false;
    tree().mapping(node, "a stream rule", {"name", "match", "stream"},
                   [&](const std::string& key, const Node& value) {
                       if (key == "name") {
                           rule.name = read_name(value, "a rule's name");
                           once(stream_names_, rule.name, value, "stream rule");
                       } else if (key == "match") {
                           rule.match = read_match(value, {"seller", "region", "tag", "channel", "currency",
                                                           "value_minor", "sku", "category", "warehouse"});
                       } else {
                           stream = true;
                           rule.stream = StreamName(read_name(value, "a stream's name"));
                       }
                   });
    if (node.kind != NodeKind::mapping) return;
    if (!stream) tree().complain(node, "a stream rule needs a stream");
    if (std::none_of(node.entries.begin(), node.entries.end(),
                     [](const Entry& one) { return one.key == "name"; }))
        tree().complain(node, "a stream rule needs a name");
    loaded_.rules.streams.push_back(std::move(rule));
    stream_places_.push_back({file_, node.at});
}

void Loader::read_delivery_rule(const Node& node) {
    DeliveryRule rule;
    bool to = false;
    tree().mapping(node, "a delivery rule", {"name", "match", "to"},
                   [&](const std::string& key, const Node& value) {
                       if (key == "name") {
                           rule.name = read_name(value, "a rule's name");
                           once(delivery_names_, rule.name, value, "delivery rule");
                       } else if (key == "match") {
                           rule.match = read_match(value, {"seller", "stream"});
                       } else {
                           to = true;
                           rule.destination = read_name(value, "a destination");
                           named_destinations_.emplace_back(rule.destination, Place{file_, value.at});
                       }
                   });
    if (node.kind != NodeKind::mapping) return;
    if (!to) tree().complain(node, "a delivery rule needs `to`, a destination");
    if (std::none_of(node.entries.begin(), node.entries.end(),
                     [](const Entry& one) { return one.key == "name"; }))
        tree().complain(node, "a delivery rule needs a name");
    loaded_.rules.deliveries.push_back(std::move(rule));
    delivery_places_.push_back({file_, node.at});
}

void Loader::read_given(const Node& node, RulesExample& example) {
    tree().mapping(node, "given", {"seller", "region", "tags", "channel", "currency", "value_minor", "lines"},
                   [&](const std::string& key, const Node& value) {
                       if (key == "tags") {
                           example.tags = tree().texts(value, key, value_bytes_max);
                       } else if (key == "value_minor") {
                           example.value_minor = tree().integer(value, key, 0, number_max).value_or(0);
                       } else if (key == "lines") {
                           tree().list(value, key, list_items_max, [&](const Node& line) {
                               tree().mapping(line, "a line", {"sku", "category", "warehouse"},
                                              [&](const std::string& of, const Node& text) {
                                                  auto& list = of == "sku"        ? example.skus
                                                               : of == "category" ? example.categories
                                                                                  : example.warehouses;
                                                  list.push_back(tree().text(text, of, value_bytes_max));
                                              });
                           });
                       } else {
                           auto& field = key == "seller"    ? example.seller
                                         : key == "region"  ? example.region
                                         : key == "channel" ? example.channel
                                                            : example.currency;
                           field = tree().text(value, key, value_bytes_max);
                       }
                   });
}

void Loader::read_example(const Node& node) {
    RulesExample example;
    example.place = shown_place({file_, node.at});
    bool given = false, expects = false;
    tree().mapping(
        node, "an example", {"name", "given", "expect"}, [&](const std::string& key, const Node& value) {
            if (key == "name") {
                example.name = tree().text(value, "an example's name", value_bytes_max);
            } else if (key == "given") {
                given = true;
                read_given(value, example);
            } else {
                expects = true;
                tree().mapping(value, "expect", {"stream", "destination", "stream_rule", "delivery_rule"},
                               [&](const std::string& what, const Node& name) {
                                   auto& field = what == "stream"        ? example.stream
                                                 : what == "destination" ? example.destination
                                                 : what == "stream_rule" ? example.stream_rule
                                                                         : example.delivery_rule;
                                   field = read_name(name, what.c_str());
                               });
            }
        });
    if (node.kind != NodeKind::mapping) return;
    if (!given || !expects || example.name.empty())
        tree().complain(node, "an example needs a name, what is given and what to expect");
    loaded_.examples.push_back(std::move(example));
}

void Loader::check_destinations() {
    for (const auto& [name, place] : named_destinations_) {
        const bool known = name.empty() || name == routing::shared_destination ||
                           name == routing::own_destination || destination_places_.contains(name);
        if (!known)
            problems_[place.file].add(
                place.at,
                fmt::format("there is no destination {}; `shared`, `own` and those under `destinations` are",
                            shown(name)));
    }
}

void Loader::check_fallbacks() {
    const auto& destinations = loaded_.rules.destinations;
    std::set<std::string> told;
    for (const auto& [name, destination] : destinations) {
        std::vector<std::string> way{name};
        const auto* at = &destination;
        while (at != nullptr && at->fallback) {
            const auto& to = at->fallback->to;
            if (std::find(way.begin(), way.end(), to) != way.end()) {
                std::set<std::string> circle(std::find(way.begin(), way.end(), to), way.end());
                const auto& place = fallback_places_.at(way.back());
                if (std::none_of(circle.begin(), circle.end(),
                                 [&](const auto& one) { return told.contains(one); }))
                    problems_[place.file].add(
                        place.at,
                        fmt::format("fallbacks go in a circle: {} leads back to {}", way.back(), to));
                told.insert(circle.begin(), circle.end());
                break;
            }
            way.push_back(to);
            const auto next = destinations.find(to);
            at = next == destinations.end() ? nullptr : &next->second;
        }
    }
}

/// The first rule that leaves nothing to a later one. Rules are many and mostly name sellers: only those that
/// share a first condition, or have none, can cover each other.
template <class Rule>
void Loader::check_covered(const std::vector<Rule>& rules, const std::vector<Place>& places) {
    std::map<std::string, std::vector<std::size_t>> by_seller;
    std::vector<std::size_t> others;
    for (std::size_t later = 0; later < rules.size(); ++later) {
        const auto& sellers = rules[later].match.seller;
        const bool plain = !sellers.empty() && !sellers.front().prefix;
        std::vector<std::size_t> candidates = others;
        if (plain) {
            const auto& same = by_seller[sellers.front().text];
            candidates.insert(candidates.end(), same.begin(), same.end());
        }
        std::sort(candidates.begin(), candidates.end());
        const auto earlier = std::find_if(candidates.begin(), candidates.end(), [&](std::size_t candidate) {
            return routing::covers(rules[candidate].match, rules[later].match);
        });
        if (earlier != candidates.end()) {
            problems_[places[later].file].add(
                places[later].at,
                fmt::format("rule {} is never reached: rule {} at {} matches all that it does",
                            rules[later].name, rules[*earlier].name, shown_place(places[*earlier])));
        }
        const bool only_plain =
            plain && std::none_of(sellers.begin(), sellers.end(), [](const auto& one) { return one.prefix; });
        if (!only_plain) {
            others.push_back(later);
            continue;
        }
        for (const auto& seller : sellers) by_seller[seller.text].push_back(later);
    }
}

}  // namespace

LoadedRules load_rules(std::span<const RulesText> files, const SecretKey& secret_key) {
    return Loader(files, secret_key).load();
}

}  // namespace cartwright::config
