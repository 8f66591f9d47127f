#include "common/config/rules_version.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace cartwright::config {
namespace {

/// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/), over texts with their lengths, so that no
/// two sequences run together.
class Fingerprint {
  public:
    void add(std::string_view text) {
        for (const unsigned char c : std::to_string(text.size())) step(c);
        step(':');
        for (const unsigned char c : text) step(c);
    }
    void add(std::int64_t number) { add(std::to_string(number)); }
    std::string str() const { return fmt::format("{:016x}", hash_); }

  private:
    void step(unsigned char c) { hash_ = (hash_ ^ c) * 1'099'511'628'211U; }
    std::uint64_t hash_ = 14'695'981'039'346'656'037U;
};

void add(Fingerprint& print, const routing::Match& match) {
    for (const auto* patterns : {&match.seller, &match.stream, &match.region, &match.tag, &match.channel,
                                 &match.currency, &match.sku, &match.category, &match.warehouse}) {
        print.add(static_cast<std::int64_t>(patterns->size()));
        for (const auto& pattern : *patterns) print.add(pattern.text + (pattern.prefix ? "*" : ""));
    }
    print.add(match.value_minor_from.value_or(-1));
    print.add(match.value_minor_to.value_or(-1));
}

}  // namespace

std::string version_of(const routing::RuleSet& rules) {
    Fingerprint print;
    print.add(static_cast<std::int64_t>(rules.streams.size()));
    for (const auto& rule : rules.streams) {
        print.add(rule.name);
        add(print, rule.match);
        print.add(rule.stream.str());
    }
    print.add(static_cast<std::int64_t>(rules.deliveries.size()));
    for (const auto& rule : rules.deliveries) {
        print.add(rule.name);
        add(print, rule.match);
        print.add(rule.destination);
    }
    for (const auto& [name, destination] : rules.destinations) {
        const auto& endpoint = destination.endpoint;
        print.add(name);
        print.add(endpoint.url);
        print.add(static_cast<std::int64_t>(endpoint.calls_max));
        print.add(endpoint.connect_timeout.count());
        print.add(endpoint.total_timeout.count());
        print.add(endpoint.ca_file);
        print.add(std::int64_t{endpoint.private_addresses});
        print.add(destination.fallback ? destination.fallback->to : "");
        print.add(destination.fallback ? destination.fallback->after.count() : -1);
    }
    return print.str();
}

}  // namespace cartwright::config
