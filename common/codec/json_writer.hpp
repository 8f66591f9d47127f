// Appends JSON to one string: no spaces, keys in the order in which they are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/order/id.hpp"
#include "common/order/time.hpp"

namespace cartwright::codec {

/// Appends `text` as a JSON string with its quotes. What is not UTF-8 becomes U+FFFD, so that the result
/// always is.
void append_quoted(std::string& to, std::string_view text);

/// Balanced use is up to the caller. Keys are plain ASCII.
class JsonWriter {
  public:
    explicit JsonWriter(std::size_t bytes_expected) { json_.reserve(bytes_expected); }

    void begin_object() { open('{'); }
    void begin_object(std::string_view name) { key(name), begin_object(); }
    void end_object() { close('}'); }
    void begin_array(std::string_view name) { key(name), open('['); }
    void end_array() { close(']'); }

    void text(std::string_view value);
    void text(std::string_view name, std::string_view value) { key(name), text(value); }
    void text_unless_empty(std::string_view name, std::string_view value) {
        if (!value.empty()) text(name, value);
    }
    template <class Tag>
    void id(std::string_view name, const Id<Tag>& value) {
        text(name, value.str());
    }
    template <class Tag>
    void id_unless_empty(std::string_view name, const Id<Tag>& value) {
        text_unless_empty(name, value.str());
    }
    void integer(std::string_view name, std::int64_t value);
    void boolean(std::string_view name, bool value);
    void time(std::string_view name, Timestamp value) { text(name, to_rfc3339(value)); }
    /// `json` is JSON already.
    void raw(std::string_view name, std::string_view json);

    std::string take() { return std::move(json_); }

  private:
    void separate();
    void key(std::string_view name);
    void open(char bracket);
    void close(char bracket);

    std::string json_;
    bool comma_due_ = false;
};

}  // namespace cartwright::codec
