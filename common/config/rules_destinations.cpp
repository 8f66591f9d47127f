// Destinations of rule files: endpoints, their secrets, and fallbacks.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <variant>

#include "common/config/file.hpp"
#include "common/config/nearest.hpp"
#include "common/config/rules_loader.hpp"
#include "common/config/url.hpp"

namespace cartwright::config {
namespace {

using routing::Destination;

constexpr std::size_t url_bytes_max = 2'000;
constexpr std::size_t path_bytes_max = 1'000;
constexpr std::size_t secrets_max = 4;
constexpr std::size_t secret_file_bytes_max = 10'000;
constexpr std::size_t guesses_max = 20;  ///< of what was meant, which takes its time
constexpr std::size_t guessed_among_max = 1'000;

const Entry* find(const Node& mapping, std::string_view key) {
    const auto entry = std::find_if(mapping.entries.begin(), mapping.entries.end(),
                                    [&](const Entry& one) { return one.key == key; });
    return entry == mapping.entries.end() ? nullptr : &*entry;
}

/// The text that a secret's source holds, or why it holds none.
struct Held {
    std::string text, trouble;
};

Held held_by(const std::string& source) {
    if (source.starts_with("env:")) {
        const char* value = std::getenv(source.c_str() + 4);
        if (value == nullptr)
            return {{}, fmt::format("the environment has no {}; set it, or name another", source.substr(4))};
        return {value, {}};
    }
    const auto path = source.substr(5);
    auto content = read_file(path, secret_file_bytes_max);
    if (const auto* why = std::get_if<Unreadable>(&content))
        return {
            {},
            fmt::format("{} can't be read: {}; put the secret there, or name another", path, why->reason)};
    auto text = std::get<std::string>(std::move(content));
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return {std::move(text), {}};
}

}  // namespace

void RulesLoader::read_destination(const Entry& entry) {
    Node name;
    name.at = entry.at;
    name.kind = NodeKind::scalar;
    name.text = entry.key;
    if (!room(destinations_, name, "destinations")) return;
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
    if (entry.value.kind != NodeKind::mapping) return;
    const auto& endpoint = destination.endpoint;
    const auto* url = find(entry.value, "url");
    if (url == nullptr) tree().complain(name, "a destination has no url; give it one, `url: https://…`");
    if (const auto why = url_trouble(endpoint.url, endpoint.private_addresses);
        !endpoint.url.empty() && !why.empty())
        tree().complain(url->value, fmt::format("url {}", why));
    if (find(entry.value, "secrets") == nullptr)
        tree().complain(name,
                        "a destination has no secrets, by which its receiver knows who calls; give it "
                        "one, `secrets: [env:NAME]`");
    if (!destination.name.empty())
        loaded_.rules.destinations.emplace(destination.name, std::move(destination));
}

void RulesLoader::read_endpoint(const std::string& key, const Node& value, Destination& destination) {
    auto& endpoint = destination.endpoint;
    const auto time = [&](std::chrono::milliseconds& into, std::int64_t max) {
        if (const auto number = tree().integer(value, key, 1, max)) into = std::chrono::milliseconds(*number);
    };
    if (key == "url") {
        endpoint.url = tree().text(value, key, url_bytes_max);
    } else if (key == "secrets") {
        if (value.kind == NodeKind::list && value.items.empty())
            tree().complain(value, "secrets is empty; name at least one");
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

/// Secrets are told by where they come from, never by what they are.
void RulesLoader::read_secret(const Node& node, Destination& destination) {
    const auto source = tree().text(node, "a secret", path_bytes_max);
    if (source.empty()) return;
    if (!source.starts_with("env:") && !source.starts_with("file:"))
        return tree().complain(node, "a secret is named by where it is; write env:NAME or file:PATH");
    if (secrets_ == Secrets::skip) return;
    const auto held = held_by(source);
    if (!held.trouble.empty()) return tree().complain(node, held.trouble);
    auto key = secret_key_(held.text);
    if (!key)
        return tree().complain(
            node, fmt::format("{} holds no secret; one is whsec_ and the base64 of 24 to 64 bytes", source));
    destination.endpoint.secrets.push_back(std::move(*key));
}

void RulesLoader::read_fallback(const Node& node, Destination& destination) {
    routing::Fallback fallback;
    tree().mapping(node, "fallback", {"to", "after_ms"}, [&](const std::string& key, const Node& value) {
        if (key == "to") {
            fallback.to = read_name(value, "a destination");
            named_destinations_.emplace_back(fallback.to, Place{file_, value.at});
        } else if (const auto number = tree().integer(value, key, 0, 2'592'000'000)) {
            fallback.after = std::chrono::milliseconds(*number);
        }
    });
    if (node.kind != NodeKind::mapping) return;
    if (find(node, "to") == nullptr || find(node, "after_ms") == nullptr)
        tree().complain(node, "a fallback is not whole; it has `to`, a destination, and `after_ms`, a time");
    fallback_places_.emplace(destination.name, Place{file_, node.at});
    if (!fallback.to.empty()) destination.fallback = std::move(fallback);
}

void RulesLoader::check_destinations() {
    std::vector<std::string> known{std::string(routing::shared_destination),
                                   std::string(routing::own_destination)};
    for (const auto& [name, place] : destination_places_) known.push_back(name);
    std::sort(known.begin(), known.end());
    std::size_t guesses = known.size() > guessed_among_max ? 0 : guesses_max;
    for (const auto& [name, place] : named_destinations_) {
        if (name.empty() || std::binary_search(known.begin(), known.end(), name)) continue;
        const auto meant = guesses > 0 ? nearest(name, known) : std::string();
        if (guesses > 0) --guesses;
        problems_[place.file].add(
            place.at, fmt::format("there is no destination {}; {}", shown(name),
                                  meant.empty() ? "write shared, own, or one that stands under `destinations`"
                                                : "did you mean " + meant + "?"));
    }
}

void RulesLoader::check_fallbacks() {
    const auto& destinations = loaded_.rules.destinations;
    std::set<std::string> sound;
    for (const auto& [name, first] : destinations) {
        std::vector<std::string> way;
        const auto* at = &first;
        while (at != nullptr && at->fallback && !sound.contains(at->name)) {
            way.push_back(at->name);
            const auto& to = at->fallback->to;
            if (const auto again = std::find(way.begin(), way.end(), to); again != way.end()) {
                const auto& place = fallback_places_.at(way.back());
                problems_[place.file].add(place.at,
                                          fmt::format("fallbacks go in a circle: {} leads back to {}; leave "
                                                      "one of them out",
                                                      way.back(), to));
                break;
            }
            const auto next = destinations.find(to);
            at = next == destinations.end() ? nullptr : &next->second;
        }
        // A circle is told once, whoever leads into it.
        sound.insert(way.begin(), way.end());
    }
}

}  // namespace cartwright::config
