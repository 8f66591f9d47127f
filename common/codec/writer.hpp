// Appends JSON to a string. Internal to the codec.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cartwright::codec {

/// The caller opens and closes in order; commas are put by the writer.
class Writer {
  public:
    explicit Writer(std::size_t bytes_expected = 512) { text_.reserve(bytes_expected); }

    Writer& open_object() { return open('{'); }
    Writer& close_object() { return close('}'); }
    Writer& open_array() { return open('['); }
    Writer& close_array() { return close(']'); }
    Writer& key(std::string_view name);
    Writer& value(std::string_view text);
    Writer& value(const char* text) { return value(std::string_view(text)); }
    Writer& value(const std::string& text) { return value(std::string_view(text)); }
    Writer& value(std::int64_t number);
    Writer& value(bool truth) { return raw(truth ? "true" : "false"); }
    /// JSON that is already encoded.
    Writer& raw(std::string_view json);

    template <class Value>
    Writer& field(std::string_view name, const Value& content) {
        return key(name).value(content);
    }
    /// Left out when empty.
    Writer& field_if(std::string_view name, std::string_view content) {
        return content.empty() ? *this : key(name).value(content);
    }

    std::string take() { return std::move(text_); }

  private:
    Writer& open(char bracket);
    Writer& close(char bracket);
    void separate();
    void quote(std::string_view text);

    std::string text_;
    bool needs_comma_ = false;
};

}  // namespace cartwright::codec
