// Configuration: a struct with defaults that describes itself to a Binder; a YAML file fills it.
//
//     struct Pool {
//         std::int64_t lanes = 4;
//         std::chrono::milliseconds idle_limit{30'000};
//         void describe(config::Binder& binder) {
//             binder.field("lanes", lanes, {1, 64}, "Threads that own a database connection each.");
//             binder.field("idle_limit_ms", idle_limit, {100, 600'000}, "A connection is closed after it.");
//         }
//     };
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cartwright::config {

inline constexpr std::size_t file_bytes_max = 1'048'576;
inline constexpr std::size_t depth_max = 16;
inline constexpr std::size_t list_items_max = 1000;

/// Both ends are allowed values.
struct Range {
    std::int64_t min;
    std::int64_t max;
};

/// A word of a choice and the number of its enumerator.
struct Choice {
    const char* text;
    int number;
};

/// A visitor over the fields of a configuration. What a struct's `describe(Binder&)` calls is the same
/// whether values are read or listed. Names are lower-case words joined by underscores, `help` is a sentence.
class Binder {
  public:
    Binder() = default;
    virtual ~Binder() = default;
    Binder(const Binder&) = delete;
    Binder& operator=(const Binder&) = delete;

    virtual void field(const char* name, std::string& value, const char* help) = 0;
    virtual void field(const char* name, bool& value, const char* help) = 0;
    virtual void field(const char* name, std::int64_t& value, Range range, const char* help) = 0;
    virtual void field(const char* name, std::size_t& value, Range range, const char* help) = 0;
    virtual void field(const char* name, int& value, Range range, const char* help) = 0;
    /// A whole number of milliseconds; the name ends in _ms.
    virtual void field(const char* name, std::chrono::milliseconds& value, Range range, const char* help) = 0;
    virtual void field(const char* name, std::vector<std::string>& value, const char* help) = 0;
    /// The range is that of each item.
    virtual void field(const char* name, std::vector<std::chrono::milliseconds>& value, Range range,
                       const char* help) = 0;

    /// One of a few words: binder.choice("level", level, {{"info", Level::info}, {"warn", Level::warn}},
    /// "…").
    template <class Enum>
    void choice(const char* name, Enum& value, std::initializer_list<std::pair<const char*, Enum>> choices,
                const char* help) {
        std::vector<Choice> numbered;
        for (const auto& [text, enumerator] : choices)
            numbered.push_back({text, static_cast<int>(enumerator)});
        int number = static_cast<int>(value);
        choose(name, number, numbered, help);
        value = static_cast<Enum>(number);
    }

    /// Text that is never printed. The environment variable, if set, wins over the file; `<environment>_FILE`
    /// may name a file that holds it instead (one line feed at its end is not part of it).
    virtual void secret(const char* name, std::string& value, const char* environment, const char* help) = 0;

    /// A nested mapping that is described by `value.describe(binder)`.
    template <class Section>
    void section(const char* name, Section& value, const char* help) {
        enter_section(name, help);
        value.describe(*this);
        leave();
    }

    /// A list of nested mappings; one in the file replaces the default whole.
    template <class Item>
    void list(const char* name, std::vector<Item>& items, std::size_t items_max, const char* help) {
        const std::size_t size = enter_list(name, items.size(), items_max, help);
        if (size != unchanged) items.assign(size, Item{});
        for (std::size_t i = 0; i < items.size() && size != unchanged; ++i) {
            enter_item(i);
            items[i].describe(*this);
            leave();
        }
        if (size == unchanged && lists_items()) {
            Item sample{};
            enter_item(0);
            sample.describe(*this);
            leave();
        }
        leave();
    }

    /// What no single range can say; call it after the fields it is about, which `name` is one of. `trouble`
    /// says what is wrong and what to do, and completes "<name> …".
    virtual void require(const char* name, bool holds, const std::string& trouble) = 0;

  protected:
    static constexpr std::size_t unchanged = static_cast<std::size_t>(-1);

    virtual void choose(const char* name, int& number, std::span<const Choice> choices, const char* help) = 0;
    virtual void enter_section(const char* name, const char* help) = 0;
    /// The number of items to read, or `unchanged`.
    virtual std::size_t enter_list(const char* name, std::size_t size, std::size_t items_max,
                                   const char* help) = 0;
    virtual void enter_item(std::size_t index) = 0;
    virtual void leave() = 0;
    /// True where one sample item is described for each list.
    virtual bool lists_items() const = 0;
};

using Describe = std::function<void(Binder&)>;

/// The work behind the templates below.
void load_described(const Describe& describe, const std::string& path,
                    const std::vector<std::string>& foreign_sections);
void load_text_described(const Describe& describe, const std::string& text, const std::string& file_name,
                         const std::vector<std::string>& foreign_sections);
std::string reference_described(const Describe& describe);

/// Fills `target` from a YAML file; keys that are absent keep their defaults. Throws outcome::StartupError
/// with all problems at once, one a line: `file:line:column: what; what to do` (the target is then partly
/// filled). Keys at the root that are listed in `foreign_sections` belong to other programs and are skipped.
template <class Target>
void load(Target& target, const std::string& path, const std::vector<std::string>& foreign_sections = {}) {
    load_described([&target](Binder& binder) { target.describe(binder); }, path, foreign_sections);
}

/// The same for a text; `file_name` is what problems name.
template <class Target>
void load_text(Target& target, const std::string& text, const std::string& file_name = "config",
               const std::vector<std::string>& foreign_sections = {}) {
    load_text_described([&target](Binder& binder) { target.describe(binder); }, text, file_name,
                        foreign_sections);
}

/// A Markdown table of all keys: key, default (the target's present value), range, meaning.
template <class Target>
std::string reference(Target& target) {
    return reference_described([&target](Binder& binder) { target.describe(binder); });
}

}  // namespace cartwright::config
