// The Binder that lists fields as rows of a Markdown table.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <string_view>
#include <utility>

#include "common/config/config.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::config {

namespace {

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '|') result += '\\';
        result += c == '\n' ? ' ' : c;
    }
    return result;
}

std::string code(std::string_view text) {
    return text.empty() ? "(empty)" : fmt::format("`{}`", text);
}

std::string shown(Range range) {
    if (range.max == std::numeric_limits<std::int64_t>::max()) return fmt::format("at least {}", range.min);
    return fmt::format("{} to {}", range.min, range.max);
}

class Table : public Binder {
  public:
    void field(const char* name, std::string& value, const char* help) override {
        row(name, code(value), "text", help);
    }
    void field(const char* name, bool& value, const char* help) override {
        row(name, code(value ? "true" : "false"), "true, false", help);
    }
    void field(const char* name, std::int64_t& value, Range range, const char* help) override {
        CARTWRIGHT_ASSERT(range.min <= value && value <= range.max);
        row(name, code(std::to_string(value)), shown(range), help);
    }
    void field(const char* name, std::size_t& value, Range range, const char* help) override {
        auto number = static_cast<std::int64_t>(value);
        field(name, number, range, help);
    }
    void field(const char* name, int& value, Range range, const char* help) override {
        std::int64_t number = value;
        field(name, number, range, help);
    }
    void field(const char* name, std::chrono::milliseconds& value, Range range, const char* help) override {
        std::int64_t number = value.count();
        field(name, number, range, help);
    }
    void field(const char* name, std::vector<std::string>& value, const char* help) override {
        row(name, code(fmt::format("[{}]", fmt::join(value, ", "))), "list of text", help);
    }
    void field(const char* name, std::vector<std::chrono::milliseconds>& value, Range range,
               const char* help) override {
        std::vector<std::int64_t> numbers;
        for (const std::chrono::milliseconds item : value) numbers.push_back(item.count());
        row(name, code(fmt::format("[{}]", fmt::join(numbers, ", "))), "each " + shown(range), help);
    }
    void secret(const char* name, std::string&, const char* environment, const char* help) override {
        row(name, fmt::format("from `{}` or `{}_FILE`", environment, environment), "text", help);
    }
    void require(const char*, bool, const std::string&) override {}

    std::string take() { return std::move(rows_); }

  protected:
    void choose(const char* name, int& number, std::span<const Choice> choices, const char* help) override {
        std::string words, present;
        for (const Choice& choice : choices) {
            words += (words.empty() ? "" : ", ") + std::string(choice.text);
            if (choice.number == number) present = choice.text;
        }
        row(name, code(present), words, help);
    }
    void enter_section(const char* name, const char* help) override {
        row(name, "", "section", help);
        prefixes_.push_back(prefixes_.back() + name + ".");
    }
    std::size_t enter_list(const char* name, std::size_t size, std::size_t items_max,
                           const char* help) override {
        row(name, fmt::format("{} items", size), fmt::format("list of at most {}", items_max), help);
        prefixes_.push_back(prefixes_.back() + name);
        return unchanged;
    }
    void enter_item(std::size_t) override { prefixes_.push_back(prefixes_.back() + "[]."); }
    void leave() override { prefixes_.pop_back(); }
    bool lists_items() const override { return true; }

  private:
    void row(const char* name, const std::string& preset, const std::string& range, const char* help) {
        rows_ += fmt::format("| `{}{}` | {} | {} | {} |\n", prefixes_.back(), name, escaped(preset),
                             escaped(range), escaped(help));
    }

    std::vector<std::string> prefixes_{""};
    std::string rows_ = "| Key | Default | Range | Meaning |\n|---|---|---|---|\n";
};

}  // namespace

std::string reference_described(const Describe& describe) {
    Table table;
    describe(table);
    return table.take();
}

}  // namespace cartwright::config
