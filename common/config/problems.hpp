// Collects everything that is wrong with a configuration, so that one start shows it all.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace cartwright::config {

inline constexpr std::size_t problems_max = 100;

/// Both count from 1; line 0 means: not in the file.
struct Position {
    int line = 1;
    int column = 1;
};

class Problems {
  public:
    explicit Problems(std::string file_name) : file_name_(std::move(file_name)) {}

    void add(Position at, std::string text);
    bool empty() const { return found_.empty(); }
    std::size_t size() const { return found_.size(); }

    /// A line for each problem, "file:line:column: what", in the order of the file.
    std::vector<std::string> lines();
    /// Throws outcome::StartupError with a line for each problem, in the order of the file.
    void throw_if_any();

  private:
    struct Problem {
        Position at;
        std::string text;
    };
    std::string file_name_;
    std::vector<Problem> found_;
};

/// Text from the file as it may be shown: in quotes and cut to a sensible length.
std::string shown(const std::string& text);

}  // namespace cartwright::config
