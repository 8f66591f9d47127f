#include "workers/cartwright/rules.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>

#include "common/codec/seller_order.hpp"
#include "common/config/rules_file.hpp"
#include "common/crypto/webhook.hpp"
#include "workers/cartwright/settings.hpp"

namespace cartwright::operating {
namespace {

struct Options {
    std::string directory = "routing-rules", message, config;
    std::vector<std::string> given;
};

config::LoadedRules load(const std::string& directory) {
    const auto texts = config::read_rules_directory(directory);
    if (const auto* trouble = std::get_if<std::string>(&texts)) throw outcome::StartupError(*trouble);
    return config::load_rules(std::get<std::vector<config::RulesText>>(texts), crypto::webhook_key);
}

routing::Rules usable(config::LoadedRules&& loaded) {
    if (!loaded.problems.empty())
        throw outcome::StartupError(fmt::format("{}", fmt::join(loaded.problems, "\n")));
    return routing::Rules(std::move(loaded.rules));
}

int check(const std::string& directory) {
    const auto loaded = load(directory);
    for (const auto& problem : loaded.problems) fmt::print("{}\n", problem);
    if (!loaded.problems.empty()) {
        fmt::print("{} problems; a fleet keeps its old rules until they are mended\n",
                   loaded.problems.size());
        return 1;
    }
    const auto& rules = loaded.rules;
    fmt::print("version {}: {} stream rules, {} delivery rules, {} destinations, {} examples\n",
               rules.version, rules.streams.size(), rules.deliveries.size(), rules.destinations.size(),
               loaded.examples.size());
    return 0;
}

int test(const std::string& directory) {
    auto loaded = load(directory);
    const auto examples = std::move(loaded.examples);
    const auto rules = usable(std::move(loaded));
    const auto failed = config::failed_examples(rules, examples);
    for (const auto& one : failed) fmt::print("{}\n", one);
    fmt::print("{} examples, {} differences\n", examples.size(), failed.size());
    return failed.empty() ? 0 : 1;
}

codec::RoutedOrder from_pairs(const std::vector<std::string>& pairs) {
    codec::RoutedOrder order;
    const std::map<std::string, std::string*> texts{{"seller", &order.seller},
                                                    {"stream", &order.stream},
                                                    {"region", &order.region},
                                                    {"channel", &order.channel},
                                                    {"currency", &order.currency}};
    const std::map<std::string, std::vector<std::string>*> lists{{"tag", &order.tags},
                                                                 {"sku", &order.skus},
                                                                 {"category", &order.categories},
                                                                 {"warehouse", &order.warehouses}};
    for (const auto& pair : pairs) {
        const auto equals = pair.find('=');
        const auto name = pair.substr(0, equals);
        const auto value = equals == std::string::npos ? std::string() : pair.substr(equals + 1);
        if (const auto text = texts.find(name); text != texts.end()) {
            *text->second = value;
        } else if (const auto list = lists.find(name); list != lists.end()) {
            list->second->push_back(value);
        } else if (name == "value_minor") {
            order.value_minor = CLI::detail::lexical_cast(value, order.value_minor) ? order.value_minor : -1;
        } else {
            throw outcome::StartupError(
                name +
                " is nothing that rules match on: seller, stream, region, channel, currency, tag, sku, "
                "category, warehouse and value_minor are");
        }
    }
    return order;
}

codec::RoutedOrder order_of(const Options& options) {
    if (options.message.empty()) return from_pairs(options.given);
    std::string text;
    if (options.message == "-") {
        text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
        std::ifstream file(options.message, std::ios::binary);
        if (!file) throw outcome::StartupError(options.message + " can't be read");
        text.assign(std::istreambuf_iterator<char>(file), {});
    }
    const auto read = codec::read_routed_order(text);
    if (const auto* trouble = std::get_if<std::string>(&read))
        throw outcome::StartupError(options.message + ": " + *trouble);
    return std::get<codec::RoutedOrder>(read);
}

routing::Facts facts_of(const codec::RoutedOrder& order) {
    const auto views = [](const std::vector<std::string>& texts) {
        return std::vector<std::string_view>(texts.begin(), texts.end());
    };
    routing::Facts facts;
    facts.seller = order.seller;
    facts.region = order.region;
    facts.channel = order.channel;
    facts.currency = order.currency;
    facts.tags = views(order.tags);
    facts.skus = views(order.skus);
    facts.categories = views(order.categories);
    facts.warehouses = views(order.warehouses);
    facts.value_minor = order.value_minor;
    return facts;
}

/// The rules up to the one that took it, each with why it did not.
template <class Rule, class WhyNot>
void explain_rules(const std::vector<Rule>& rules, const Rule* taken, const WhyNot& why_not) {
    for (const auto& rule : rules) {
        if (&rule == taken) return fmt::print("  {:<20} took it\n", rule.name);
        fmt::print("  {:<20} no: {}\n", rule.name, why_not(rule.match));
    }
    fmt::print("  {:<20} took it\n", "default");
}

void explain_destination(const routing::Rules& rules, const routing::Destination* destination) {
    while (destination != nullptr) {
        using Kind = routing::Destination::Kind;
        const auto what = destination->kind == Kind::shared_queue
                              ? std::string("the shared queues sellers.NN")
                          : destination->kind == Kind::own_queue ? std::string("the seller's own queue")
                                                                 : destination->endpoint.url;
        fmt::print("  {:<20} {}\n", destination->name, what);
        if (!destination->fallback) return;
        fmt::print("  after {} ms of failures\n", destination->fallback->after.count());
        destination = rules.destination(destination->fallback->to);
    }
}

void explain(const Options& options) {
    const auto rules = usable(load(options.directory));
    const auto order = order_of(options);
    const auto facts = facts_of(order);
    const auto stream = rules.choose_stream(facts);
    fmt::print("stream {}\n", stream.stream);
    explain_rules(rules.set().streams, stream.rule,
                  [&](const routing::Match& match) { return routing::why_not(match, facts); });
    if (!order.stream.empty() && order.stream != stream.stream.str())
        fmt::print("  (it was numbered in stream {}, by the rules of that time, and stays there)\n",
                   order.stream);
    const auto name = order.stream.empty() ? stream.stream.str() : order.stream;
    const auto delivery = rules.choose_destination(order.seller, name);
    fmt::print("destination {}\n", delivery.destination->name);
    explain_rules(rules.set().deliveries, delivery.rule,
                  [&](const routing::Match& match) { return routing::why_not(match, order.seller, name); });
    fmt::print("way\n");
    explain_destination(rules, delivery.destination);
}

void name_directory(CLI::App* command, const std::shared_ptr<Options>& options) {
    command->add_option("directory", options->directory, "Folder of the rules, *.yaml")
        ->capture_default_str();
}

}  // namespace

routing::Rules rules_of_fleet(const std::string& config_file) {
    const auto directory = load_fleet(config_file).rules.directory;
    return directory.empty() ? routing::Rules() : usable(load(directory));
}

void add_rules(CLI::App& app, int& exit_code) {
    auto* rules = app.add_subcommand("rules", "Routing rules: are they right, and where does a message go?");
    rules->require_subcommand(1);
    rules->footer(
        "Needs no server. Secrets that the rules name (env:, file:) have to be there.\n"
        "deploy/routing-rules.md teaches the rules by example.");
    auto options = std::make_shared<Options>();
    auto* checking = rules->add_subcommand("check", "Everything that is wrong, with file, line and column");
    name_directory(checking, options);
    checking->callback([options, &exit_code] { exit_code = check(options->directory); });
    auto* testing = rules->add_subcommand("test", "Run the rules' own examples");
    name_directory(testing, options);
    testing->callback([options, &exit_code] { exit_code = test(options->directory); });
    auto* explaining =
        rules->add_subcommand("explain", "Which rules take a message, and why the others do not");
    name_directory(explaining, options);
    explaining->add_option("--message", options->message,
                           "A cartwright.seller.order.v1 event as a file, or -");
    explaining->add_option("--given", options->given,
                           "What it is like: seller=acme tag=fragile value_minor=500 …");
    explaining->footer(
        "Example: cartwright rules explain --given seller=acme sku=mug category=glass tag=fragile");
    explaining->callback([options] { explain(*options); });
}

}  // namespace cartwright::operating
