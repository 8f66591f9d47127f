// One JSON object a line on stderr: {"ts":…,"level":…,"event":…,"worker":…, fields…}.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace cartwright::log {

enum class Level { debug, info, warn, error };

/// A longer text is cut there and ends in "…".
inline constexpr std::size_t text_bytes_max = 8192;

template <class T>
concept HasText = requires(const T& value) {
    { value.str() } -> std::same_as<const std::string&>;
};

/// What a field may hold. Texts (also the strong id types) are referred to, not copied: a Value lives no
/// longer than the call that it is an argument of.
class Value {
  public:
    using Held = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

    template <class T>
        requires std::convertible_to<const T&, std::string_view>
    Value(const T& text) : held_(static_cast<std::string_view>(text)) {}
    template <HasText T>
    Value(const T& id) : held_(std::string_view(id.str())) {}
    template <std::same_as<bool> T>
    Value(T value) : held_(value) {}
    template <std::signed_integral T>
    Value(T value) : held_(static_cast<std::int64_t>(value)) {}
    template <std::unsigned_integral T>
        requires(!std::same_as<T, bool>)
    Value(T value) : held_(static_cast<std::uint64_t>(value)) {}
    template <std::floating_point T>
    Value(T value) : held_(static_cast<double>(value)) {}

    const Held& held() const { return held_; }

  private:
    Held held_;
};

struct Field {
    std::string_view key;
    Value value;
};

using Fields = std::initializer_list<Field>;

/// Any thread; each call writes its line whole, in one piece. `event` is a name (words joined by
/// underscores), the details belong in the fields. Bytes that are not UTF-8 appear as U+FFFD.
void debug(std::string_view event, Fields fields = {});
void info(std::string_view event, Fields fields = {});
void warn(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

/// Lines below this level are left out. Any thread; info at the start.
void set_level(Level level);

/// The value of "worker" in every line from now on; left out while it is empty. Any thread.
void set_worker(std::string name);

/// The line that the functions above write, with its line feed.
std::string format_line(Level level, std::string_view event, Fields fields);

}  // namespace cartwright::log
