#include <fmt/format.h>

#include "common/config/rules_file.hpp"

namespace cartwright::config {
namespace {

std::vector<std::string_view> views(const std::vector<std::string>& texts) {
    return {texts.begin(), texts.end()};
}

}  // namespace

routing::Facts RulesExample::facts() const {
    routing::Facts facts;
    facts.seller = seller;
    facts.region = region;
    facts.channel = channel;
    facts.currency = currency;
    facts.tags = views(tags);
    facts.skus = views(skus);
    facts.categories = views(categories);
    facts.warehouses = views(warehouses);
    facts.value_minor = value_minor;
    return facts;
}

std::vector<std::string> failed_examples(const routing::Rules& rules,
                                         std::span<const RulesExample> examples) {
    std::vector<std::string> failed;
    for (const auto& example : examples) {
        const auto stream = rules.choose_stream(example.facts());
        const auto delivery = rules.choose_destination(example.seller, stream.stream.str());
        const auto differs = [&](const char* what, const std::string& expected, const std::string& found) {
            if (expected.empty() || expected == found) return;
            failed.push_back(fmt::format("{}: example \"{}\": expected {} {}, not {}", example.place,
                                         example.name, what, expected, found));
        };
        differs("stream", example.stream, stream.stream.str());
        differs("stream rule", example.stream_rule, stream.rule == nullptr ? "default" : stream.rule->name);
        differs("destination", example.destination, delivery.destination->name);
        differs("delivery rule", example.delivery_rule,
                delivery.rule == nullptr ? "default" : delivery.rule->name);
    }
    return failed;
}

}  // namespace cartwright::config
