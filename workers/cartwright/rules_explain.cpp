#include "workers/cartwright/rules_explain.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>

#include "common/config/nearest.hpp"
#include "common/config/rules_file.hpp"
#include "common/message/event.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::operating {
namespace {

using codec::RoutedOrder;
using routing::Destination;

constexpr std::size_t others_shown_max = 5;  ///< rules about other sellers
constexpr std::size_t values_shown_max = 8;
constexpr std::size_t message_bytes_max = 1'048'576;

/// As a terminal may get it: values come from whoever wrote the message.
std::string plain(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        safe += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
    }
    return safe;
}

std::string counted(std::size_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::int64_t amount(const std::string& text) {
    std::int64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ec != std::errc{} || read.ptr != end || value < 0)
        throw outcome::StartupError(fmt::format("value_minor={} is no whole number from 0 on", plain(text)));
    return value;
}

void take(RoutedOrder& message, const std::string& name, const std::string& value) {
    const std::map<std::string, std::string*> texts{{"seller", &message.seller},
                                                    {"stream", &message.stream},
                                                    {"region", &message.region},
                                                    {"channel", &message.channel},
                                                    {"currency", &message.currency}};
    const std::map<std::string, std::vector<std::string>*> lists{{"tag", &message.tags},
                                                                 {"sku", &message.skus},
                                                                 {"category", &message.categories},
                                                                 {"warehouse", &message.warehouses}};
    if (const auto text = texts.find(name); text != texts.end()) {
        *text->second = value;
    } else if (const auto list = lists.find(name); list != lists.end()) {
        list->second->push_back(value);
    } else if (name == "value_minor") {
        message.value_minor = amount(value);
    } else {
        std::vector<std::string> known{"value_minor"};
        for (const auto& [one, field] : texts) known.push_back(one);
        for (const auto& [one, field] : lists) known.push_back(one);
        const auto meant = config::nearest(name, known);
        throw outcome::StartupError(fmt::format("rules do not match on {}; {}", plain(name),
                                                meant.empty() ? fmt::format("give {}", fmt::join(known, ", "))
                                                              : fmt::format("did you mean {}?", meant)));
    }
}

std::string read_whole(const std::string& name) {
    std::ifstream file;
    if (name != "-") file.open(name, std::ios::binary);
    auto& input = name == "-" ? std::cin : static_cast<std::istream&>(file);
    std::string text(std::istreambuf_iterator<char>(input), {});
    if (name != "-" && (!file.is_open() || file.bad())) throw outcome::StartupError(name + " can't be read");
    if (text.size() > message_bytes_max)
        throw outcome::StartupError(fmt::format("{} is longer than {} bytes", name, message_bytes_max));
    return text;
}

RoutedOrder from_example(config::RulesExample&& given) {
    RoutedOrder message;
    message.seller = std::move(given.seller);
    message.region = std::move(given.region);
    message.channel = std::move(given.channel);
    message.currency = std::move(given.currency);
    message.tags = std::move(given.tags);
    message.skus = std::move(given.skus);
    message.categories = std::move(given.categories);
    message.warehouses = std::move(given.warehouses);
    message.value_minor = given.value_minor;
    return message;
}

/// Valid while the message lives.
routing::Facts facts_of(const RoutedOrder& message) {
    const auto views = [](const std::vector<std::string>& texts) {
        return std::vector<std::string_view>(texts.begin(), texts.end());
    };
    routing::Facts facts;
    facts.seller = message.seller;
    facts.region = message.region;
    facts.channel = message.channel;
    facts.currency = message.currency;
    facts.tags = views(message.tags);
    facts.skus = views(message.skus);
    facts.categories = views(message.categories);
    facts.warehouses = views(message.warehouses);
    facts.value_minor = message.value_minor;
    return facts;
}

std::string described(const RoutedOrder& message) {
    std::string page = "message\n";
    const auto add = [&page](const char* name, const std::string& value) {
        if (!value.empty()) page += fmt::format("  {:<12} {}\n", name, plain(value));
    };
    const auto add_list = [&](const char* name, const std::vector<std::string>& values) {
        std::vector<std::string> shown;
        for (const auto& value : values) {
            if (std::find(shown.begin(), shown.end(), value) == shown.end()) shown.push_back(value);
        }
        const auto count = shown.size();
        if (count > values_shown_max) shown.resize(values_shown_max);
        add(name, fmt::format("{}{}", fmt::join(shown, ", "),
                              count > shown.size() ? fmt::format(" and {} more", count - shown.size()) : ""));
    };
    add("seller", message.seller);
    add("region", message.region);
    add_list("tag", message.tags);
    add("channel", message.channel);
    add("currency", message.currency);
    add("value_minor", std::to_string(message.value_minor));
    add_list("sku", message.skus);
    add_list("category", message.categories);
    add_list("warehouse", message.warehouses);
    return page;
}

/// The rules up to the one that took it, each with why it did not.
template <class Rule, class WhyNot>
std::string asked(const std::vector<Rule>& rules, const Rule* taken, bool all, const WhyNot& why_not) {
    std::string page;
    std::size_t others = 0, left_out = 0;
    for (const auto& rule : rules) {
        if (&rule == taken) break;
        const auto why = why_not(rule.match);
        if (!all && why.starts_with("seller ") && ++others > others_shown_max) {
            ++left_out;
            continue;
        }
        page += fmt::format("  no   {:<20} {}\n", rule.name, plain(why));
    }
    if (left_out > 0)
        page +=
            fmt::format("  no   {} more about other sellers; --all shows them\n", counted(left_out, "rule"));
    page += taken == nullptr ? fmt::format("  yes  {:<20} {}\n", "default",
                                           rules.empty() ? "there are no rules" : "no rule took it")
                             : fmt::format("  yes  {:<20} all its conditions hold\n", taken->name);
    return page;
}

std::string lasting(std::chrono::milliseconds time) {
    const auto count = time.count();
    if (count > 0 && count % 3'600'000 == 0) return fmt::format("{} h", count / 3'600'000);
    if (count > 0 && count % 60'000 == 0) return fmt::format("{} min", count / 60'000);
    if (count % 1'000 == 0) return fmt::format("{} s", count / 1'000);
    return fmt::format("{} ms", count);
}

std::string receiver(const Destination& destination, const std::string& seller) {
    switch (destination.kind) {
        case Destination::Kind::shared_queue:
            return "one of the shared queues, sellers.NN";
        case Destination::Kind::own_queue:
            return fmt::format("the seller's own queue, seller.{}", plain(seller));
        case Destination::Kind::endpoint:
            break;
    }
    return fmt::format("POST {}", destination.endpoint.url);
}

std::string chain(const routing::Rules& rules, const Destination* destination, const std::string& seller) {
    std::string page;
    while (destination != nullptr) {
        page += fmt::format("  {:<25} {}\n", destination->name, receiver(*destination, seller));
        if (!destination->fallback) break;
        page += fmt::format("  after {} of nothing but failures:\n", lasting(destination->fallback->after));
        destination = rules.destination(destination->fallback->to);
    }
    return page;
}

}  // namespace

RoutedOrder message_of(const std::vector<std::string>& pairs) {
    RoutedOrder message;
    for (const auto& pair : pairs) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos)
            throw outcome::StartupError(fmt::format("{} is no name=value, as seller=acme is", plain(pair)));
        take(message, pair.substr(0, equals), pair.substr(equals + 1));
    }
    return message;
}

RoutedOrder message_in(const std::string& file) {
    auto text = read_whole(file);
    const auto name = file == "-" ? std::string("standard input") : file;
    if (text.find("\"specversion\"") != std::string::npos) {
        auto event = codec::read_routed_order(text);
        if (const auto* trouble = std::get_if<std::string>(&event))
            throw outcome::StartupError(
                fmt::format("{}: {}\nrules choose for orders; what follows an order goes into its stream",
                            name, plain(*trouble)));
        return std::get<RoutedOrder>(std::move(event));
    }
    auto given = config::read_given({name, std::move(text), {}});
    if (const auto* problems = std::get_if<std::vector<std::string>>(&given))
        throw outcome::StartupError(fmt::format("this is neither a {} event nor what an example gives:\n{}",
                                                message::type::seller_order, fmt::join(*problems, "\n")));
    return from_example(std::get<config::RulesExample>(std::move(given)));
}

std::string explained(const routing::Rules& rules, const RoutedOrder& message, bool all) {
    const auto facts = facts_of(message);
    const auto choice = rules.choose_stream(facts);
    auto page = described(message);
    page += fmt::format("\nstream {}\n", choice.stream);
    page += asked(rules.set().streams, choice.rule, all,
                  [&](const routing::Match& match) { return routing::why_not(match, facts); });
    const auto stream = message.stream.empty() ? choice.stream.str() : message.stream;
    if (stream != choice.stream.str())
        page += fmt::format("  It was numbered in stream {}, by the rules of that time, and stays there.\n",
                            plain(stream));
    const auto delivery = rules.choose_destination(message.seller, stream);
    page += fmt::format("\ndestination {}, of stream {}\n", delivery.destination->name, plain(stream));
    page += asked(rules.set().deliveries, delivery.rule, all, [&](const routing::Match& match) {
        return routing::why_not(match, message.seller, stream);
    });
    page += "\nway\n" + chain(rules, delivery.destination, message.seller);
    return page;
}

}  // namespace cartwright::operating
