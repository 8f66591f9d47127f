// A program's command line: commands, options and flags with their help, read into variables (CLI11).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace cartwright::command_line {

/// What an option is read into. It has to live until the line was read; what it holds before is the default.
using Variable = std::variant<std::string*, std::vector<std::string>*, int*, std::int64_t*, std::uint32_t*,
                              std::uint64_t*, double*>;

class Option {
  public:
    explicit Option(CLI::Option* option) : option_(option) {}

    Option& required();
    Option& show_default();  ///< in the help: what the variable holds now
    Option& one_of(const std::vector<std::string>& words);
    Option& between(int least, int most);
    Option& positive();
    Option& excludes(const Option& other);

  private:
    CLI::Option* option_;
};

/// A program, or a command of it; refers to what a Line owns.
class Command {
  public:
    explicit Command(CLI::App* app) : app_(app) {}

    Command command(const std::string& name, const std::string& help);
    void needs_command();  ///< the user has to name one of them

    /// `--name`, or `name` for what stands for itself.
    Option option(const std::string& name, Variable variable, const std::string& help = "");
    void flag(const std::string& name, bool* variable, const std::string& help);

    void footer(const std::string& text);       ///< the help ends with it
    void runs(std::function<void()> callback);  ///< while the line is read, when all of it is right

  protected:
    CLI::App* app_;
};

class Line : public Command {
  public:
    Line(const std::string& program, const std::string& help);
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    /// Reads it and runs what was named, whose exceptions come through. A number: help was asked for, or the
    /// line is wrong; it was said, and the program ends with this.
    std::optional<int> read(int argc, const char* const* argv);

  private:
    std::unique_ptr<CLI::App> owned_;
};

}  // namespace cartwright::command_line
