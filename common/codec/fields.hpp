// Typed access to validated JSON with exact complaints. Internal to the codec.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/codec/decode.hpp"
#include "common/order/time.hpp"

namespace cartwright::codec {

/// Thrown inside the codec only, caught where a member begins.
struct Bad {
    Problem problem;
};

/// Where in the message we are: a list on the stack, written out only in a complaint.
struct Path {
    const Path* parent = nullptr;
    std::string_view key;
    std::size_t index = 0;
    std::string str() const;
};

[[noreturn]] void complain(const Path& path, std::string_view what);

/// An object's fields by name. A key that stands twice is refused: two readers might disagree which one
/// counts.
class Fields {
  public:
    Fields(simdjson::dom::element element, const Path& path);

    /// Absent fields and nulls are nothing.
    std::optional<simdjson::dom::element> find(std::string_view name) const;

    std::string text(std::string_view name) const;  ///< required, without U+0000
    std::string text_or(std::string_view name, std::string otherwise) const;
    std::string id(std::string_view name) const;  ///< required, a valid identifier
    std::optional<std::string> id_if(std::string_view name) const;
    std::int64_t integer(std::string_view name) const;  ///< required
    std::optional<std::int64_t> integer_if(std::string_view name) const;
    bool boolean_or(std::string_view name, bool otherwise) const;
    Timestamp time(std::string_view name) const;  ///< required
    std::optional<Timestamp> time_if(std::string_view name) const;
    /// Required unless `optional`; at most `items_max`.
    simdjson::dom::array array(std::string_view name, std::size_t items_max) const;
    std::optional<simdjson::dom::array> array_if(std::string_view name, std::size_t items_max) const;
    Fields object(std::string_view name, Path& storage) const;

    Path at(std::string_view name) const { return {&path_, name, 0}; }

  private:
    simdjson::dom::element require(std::string_view name) const;
    Path path_;
    std::vector<std::pair<std::string_view, simdjson::dom::element>> fields_;
};

std::string text_of(simdjson::dom::element element, const Path& path);
std::string id_of(simdjson::dom::element element, const Path& path);
std::int64_t integer_of(simdjson::dom::element element, const Path& path);

}  // namespace cartwright::codec
