#include "common/command_line/command_line.hpp"

#include <CLI/CLI.hpp>
#include <type_traits>
#include <utility>

namespace cartwright::command_line {
namespace {

/// CLI11 reads "-1" into an unsigned number as its largest value.
std::string not_negative(const std::string& text) {
    return text.starts_with('-') ? text + " is less than 0" : std::string();
}

}  // namespace

Option& Option::required() {
    option_->required();
    return *this;
}

Option& Option::show_default() {
    option_->capture_default_str();
    return *this;
}

Option& Option::one_of(const std::vector<std::string>& words) {
    option_->check(CLI::IsMember(words));
    return *this;
}

Option& Option::between(int least, int most) {
    option_->check(CLI::Range(least, most));
    return *this;
}

Option& Option::positive() {
    option_->check(CLI::PositiveNumber);
    return *this;
}

Option& Option::excludes(const Option& other) {
    option_->excludes(other.option_);
    return *this;
}

Command Command::command(const std::string& name, const std::string& help) {
    return Command(app_->add_subcommand(name, help));
}

void Command::needs_command() {
    app_->require_subcommand(1);
}

Option Command::option(const std::string& name, Variable variable, const std::string& help) {
    const auto add = [&](auto* read_into) {
        auto* option = app_->add_option(name, *read_into, help);
        if constexpr (std::is_unsigned_v<std::remove_pointer_t<decltype(read_into)>>)
            option->check(not_negative);
        return Option(option);
    };
    return std::visit(add, variable);
}

void Command::flag(const std::string& name, bool* variable, const std::string& help) {
    app_->add_flag(name, *variable, help);
}

void Command::footer(const std::string& text) {
    app_->footer(text);
}

void Command::runs(std::function<void()> callback) {
    app_->callback(std::move(callback));
}

Line::Line(const std::string& program, const std::string& help)
    : Command(nullptr), owned_(std::make_unique<CLI::App>(help, program)) {
    app_ = owned_.get();
}

Line::~Line() = default;

std::optional<int> Line::read(int argc, const char* const* argv) {
    try {
        app_->parse(argc, argv);
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        return app_->exit(error);
    }
}

}  // namespace cartwright::command_line
