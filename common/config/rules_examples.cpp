// Messages as examples give them, and where rules send them.
#include <fmt/format.h>

#include <limits>
#include <map>

#include "common/config/config.hpp"
#include "common/config/document.hpp"
#include "common/config/rules_loader.hpp"

namespace cartwright::config {
namespace {

std::vector<std::string_view> views(const std::vector<std::string>& texts) {
    return {texts.begin(), texts.end()};
}

void read_line(Tree tree, const Node& node, RulesExample& example) {
    const std::map<std::string, std::vector<std::string>*> fields{
        {"sku", &example.skus}, {"category", &example.categories}, {"warehouse", &example.warehouses}};
    tree.mapping(node, "a line", {"sku", "category", "warehouse"},
                 [&](const std::string& key, const Node& value) {
                     auto text = tree.text(value, key, rules_value_bytes_max);
                     if (!text.empty()) fields.at(key)->push_back(std::move(text));
                 });
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

void read_given(Tree tree, const Node& node, RulesExample& example) {
    const std::map<std::string, std::string*> texts{{"seller", &example.seller},
                                                    {"region", &example.region},
                                                    {"channel", &example.channel},
                                                    {"currency", &example.currency}};
    tree.mapping(node, "given", {"seller", "region", "tags", "channel", "currency", "value_minor", "lines"},
                 [&](const std::string& key, const Node& value) {
                     if (key == "tags") {
                         example.tags = tree.texts(value, key, rules_value_bytes_max);
                     } else if (key == "value_minor") {
                         constexpr auto max = std::numeric_limits<std::int64_t>::max();
                         example.value_minor = tree.integer(value, key, 0, max).value_or(0);
                     } else if (key == "lines") {
                         tree.list(value, key, list_items_max,
                                   [&](const Node& line) { read_line(tree, line, example); });
                     } else {
                         *texts.at(key) = tree.text(value, key, rules_value_bytes_max);
                     }
                 });
}

std::variant<RulesExample, std::vector<std::string>> read_given(const RulesText& text) {
    Problems problems(text.file_name);
    RulesExample example;
    if (text.text.size() > file_bytes_max) {
        problems.add({}, fmt::format("it is longer than {} bytes", file_bytes_max));
    } else {
        const auto root = parse_document(text.text, problems);
        read_given(Tree(problems), root, example);
    }
    if (!problems.empty()) return problems.lines();
    return example;
}

std::vector<std::string> failed_examples(const routing::Rules& rules,
                                         std::span<const RulesExample> examples) {
    std::vector<std::string> failed;
    for (const auto& example : examples) {
        const auto stream = rules.choose_stream(example.facts());
        const auto delivery = rules.choose_destination(example.seller, stream.stream.str());
        std::string differences;
        const auto compare = [&](const char* what, const std::string& expected, const std::string& found) {
            if (expected.empty() || expected == found) return;
            differences += fmt::format("{} expected {} {}, not {}", differences.empty() ? "" : ",", what,
                                       expected, found);
        };
        compare("stream", example.stream, stream.stream.str());
        compare("stream_rule", example.stream_rule, stream.rule == nullptr ? "default" : stream.rule->name);
        compare("destination", example.destination, delivery.destination->name);
        compare("delivery_rule", example.delivery_rule,
                delivery.rule == nullptr ? "default" : delivery.rule->name);
        if (!differences.empty())
            failed.push_back(
                fmt::format("{}: example {}:{}", example.place, shown(example.name), differences));
    }
    return failed;
}

}  // namespace cartwright::config
