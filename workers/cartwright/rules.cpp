#include "workers/cartwright/rules.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <memory>
#include <span>
#include <utility>

#include "common/codec/json_writer.hpp"
#include "common/command_line/command_line.hpp"
#include "common/config/rules_file.hpp"
#include "common/crypto/webhook.hpp"
#include "workers/cartwright/rules_explain.hpp"
#include "workers/cartwright/settings.hpp"

namespace cartwright::operating {
namespace {

using config::Secrets;

struct Options {
    std::string directory = "routing-rules", message;
    std::vector<std::string> given;
    bool json = false, without_secrets = false, all = false;
};

std::string counted(std::size_t count, const char* one, const char* many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
}

config::LoadedRules load(const std::string& directory, Secrets secrets) {
    const auto texts = config::read_rules_directory(directory);
    if (const auto* trouble = std::get_if<std::string>(&texts)) {
        config::LoadedRules unreadable;
        unreadable.problems.push_back(*trouble);
        unreadable.problems_count = 1;
        return unreadable;
    }
    return config::load_rules(std::get<std::vector<config::RulesText>>(texts), crypto::webhook_key, secrets);
}

routing::Rules usable(routing::RuleSet&& rules, const std::vector<std::string>& problems) {
    if (!problems.empty())
        throw outcome::StartupError(fmt::format("the rules can't be used:\n{}", fmt::join(problems, "\n")));
    return routing::Rules(std::move(rules));
}

/// "file:line:column: what" in its parts; without a place where the line has none.
void write_problem(codec::JsonWriter& json, const std::string& problem) {
    json.begin_object();
    const auto* end = problem.data() + problem.size();
    for (auto colon = problem.find(':'); colon != std::string::npos; colon = problem.find(':', colon + 1)) {
        std::int64_t line = 0, column = 0;
        const auto first = std::from_chars(problem.data() + colon + 1, end, line);
        if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ':') continue;
        const auto second = std::from_chars(first.ptr + 1, end, column);
        if (second.ec != std::errc{} || !std::string_view(second.ptr, end).starts_with(": ")) continue;
        json.text("file", std::string_view(problem).substr(0, colon));
        json.integer("line", line);
        json.integer("column", column);
        json.text("what", std::string_view(second.ptr + 2, end));
        return json.end_object();
    }
    json.text("what", problem);
    json.end_object();
}

void print_json(const config::LoadedRules& loaded, const std::vector<std::string>& problems) {
    codec::JsonWriter json(1'000);
    json.begin_object();
    json.boolean("valid", problems.empty());
    if (problems.empty()) json.text("version", loaded.rules.version);
    json.integer("stream_rules", static_cast<std::int64_t>(loaded.rules.streams.size()));
    json.integer("delivery_rules", static_cast<std::int64_t>(loaded.rules.deliveries.size()));
    json.integer("destinations", static_cast<std::int64_t>(loaded.rules.destinations.size()));
    json.integer("examples", static_cast<std::int64_t>(loaded.examples.size()));
    json.begin_array("problems");
    for (const auto& problem : problems) write_problem(json, problem);
    json.end_array();
    json.end_object();
    fmt::print("{}\n", json.take());
}

/// What a fleet would say: examples count too.
int check(const Options& options) {
    const auto loaded = load(options.directory, options.without_secrets ? Secrets::skip : Secrets::read);
    auto problems = loaded.problems;
    auto count = loaded.problems_count;
    if (problems.empty()) {
        problems = config::failed_examples(routing::Rules(loaded.rules), loaded.examples);
        count = problems.size();
    }
    if (options.json) {
        print_json(loaded, problems);
        return problems.empty() ? 0 : 1;
    }
    for (const auto& problem : problems) fmt::print("{}\n", problem);
    if (!problems.empty()) {
        fmt::print("{}; a fleet that runs keeps its old rules until {} mended\n",
                   counted(count, "problem", "problems"), count == 1 ? "it is" : "they are");
        return 1;
    }
    const auto& rules = loaded.rules;
    fmt::print("{}, {}, {}, {}: all right, version {}\n",
               counted(rules.streams.size(), "stream rule", "stream rules"),
               counted(rules.deliveries.size(), "delivery rule", "delivery rules"),
               counted(rules.destinations.size(), "destination", "destinations"),
               counted(loaded.examples.size(), "example", "examples"), rules.version);
    return 0;
}

int test(const Options& options) {
    auto loaded = load(options.directory, Secrets::skip);
    const auto rules = usable(std::move(loaded.rules), loaded.problems);
    std::size_t failed = 0;
    for (const auto& example : loaded.examples) {
        const auto differences = config::failed_examples(rules, std::span(&example, 1));
        failed += differences.size();
        if (differences.empty()) fmt::print("ok      {}\n", example.name);
        for (const auto& one : differences) fmt::print("failed  {}\n", one);
    }
    const auto all = counted(loaded.examples.size(), "example", "examples");
    if (failed == 0) {
        fmt::print("{}, {}\n", all, loaded.examples.empty() ? "so nothing was tried" : "all as expected");
        return 0;
    }
    fmt::print("{}, {} failed; `cartwright rules explain` tells why a message goes where it goes\n", all,
               failed);
    return 1;
}

void explain(const Options& options) {
    if (options.message.empty() && options.given.empty())
        throw outcome::StartupError("say which message: --message FILE, or --given seller=acme …");
    const auto message = options.message.empty() ? message_of(options.given) : message_in(options.message);
    auto loaded = load(options.directory, Secrets::skip);
    const auto rules = usable(std::move(loaded.rules), loaded.problems);
    fmt::print("{}", explained(rules, message, options.all));
}

void name_directory(command_line::Command command, const std::shared_ptr<Options>& options) {
    command.option("directory", &options->directory, "Folder of the rules, *.yaml").show_default();
}

void add_explain(command_line::Command rules, const std::shared_ptr<Options>& options) {
    auto explaining = rules.command("explain", "Which rules take a message, and why the others do not");
    name_directory(explaining, options);
    auto message = explaining.option("--message", &options->message,
                                     "A file, or - for standard input: a message to a seller as it was "
                                     "sent or stored, or what an example gives, as YAML or JSON");
    explaining
        .option("--given", &options->given,
                "What it is like, in pairs: seller, stream, region, channel, currency, value_minor; tag, "
                "sku, category and warehouse as often as there are some")
        .excludes(message);
    explaining.flag("--all", &options->all, "Also every rule that is about other sellers");
    explaining.footer(
        "Examples:\n"
        "  cartwright rules explain --given seller=acme category=glass tag=fragile tag=gold\n"
        "  cartwright rules explain deploy/rules --message order.json\n"
        "  echo '{seller: acme, lines: [{sku: mug, category: glass}]}' | cartwright rules explain --message "
        "-");
    explaining.runs([options] { explain(*options); });
}

}  // namespace

routing::Rules rules_of_fleet(const std::string& config_file) {
    const auto directory = load_fleet(config_file).rules.directory;
    if (directory.empty()) return {};
    auto loaded = load(directory, Secrets::skip);
    return usable(std::move(loaded.rules), loaded.problems);
}

void add_rules(command_line::Command& program, int& exit_code) {
    auto rules = program.command("rules", "Routing rules: are they right, and where does a message go?");
    rules.needs_command();
    rules.footer(
        "Needs no server. deploy/routing-rules.md teaches the rules by example. While writing some:\n"
        "  cartwright rules check     all that is wrong, at once; exit status 1 if anything is\n"
        "  cartwright rules test      the rules' own examples\n"
        "  cartwright rules explain --given seller=acme category=glass");
    auto options = std::make_shared<Options>();
    auto checking = rules.command("check", "Everything that is wrong, with file, line and column");
    name_directory(checking, options);
    checking.flag("--json", &options->json, "For programs");
    checking.flag("--without-secrets", &options->without_secrets,
                  "Do not look for the secrets that the rules name (env:, file:)");
    checking.footer(
        "What a fleet would refuse: mistakes, rules that are never reached, secrets that are not there,\n"
        "examples that fail.");
    checking.runs([options, &exit_code] { exit_code = check(*options); });
    auto testing = rules.command("test", "Run the rules' own examples");
    name_directory(testing, options);
    testing.footer("Each with what was expected and what became of it; exit status 1 if one fails.");
    testing.runs([options, &exit_code] { exit_code = test(*options); });
    add_explain(rules, options);
}

}  // namespace cartwright::operating
