#include "common/codec/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/order/id.hpp"

namespace cartwright::codec {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

/// Up to here a look at every pair is quicker than a set.
constexpr std::size_t few_fields = 24;

std::string_view name_of(element_type type) {
    switch (type) {
        case element_type::ARRAY:
            return "an array";
        case element_type::OBJECT:
            return "an object";
        case element_type::INT64:
            return "an integer";
        case element_type::UINT64:
            return "an integer beyond 2^63";
        case element_type::DOUBLE:
            return "a number with a fraction or beyond 2^63";
        case element_type::STRING:
            return "a string";
        case element_type::BOOL:
            return "true or false";
        case element_type::NULL_VALUE:
            return "null";
    }
    return "something else";
}

[[noreturn]] void expected(std::string_view what, element found, const Path& path) {
    complain(path, fmt::format("expected {}, found {}", what, name_of(found.type())));
}

}  // namespace

std::string Path::str() const {
    if (parent == nullptr) return std::string(key);
    const auto before = parent->str();
    if (key.empty()) return fmt::format("{}[{}]", before, index);
    return before.empty() ? std::string(key) : fmt::format("{}.{}", before, key);
}

void complain(const Path& path, std::string_view what) {
    throw Bad{{"malformed", fmt::format("{}: {}", path.str(), what)}};
}

std::string text_of(element value, const Path& path) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) expected("a string", value, path);
    if (text.find('\0') != std::string_view::npos) complain(path, "a string may not hold U+0000");
    return std::string(text);
}

std::string id_of(element value, const Path& path) {
    auto text = text_of(value, path);
    if (!is_valid_id(text)) {
        complain(path,
                 fmt::format("an identifier has 1 to {} bytes and no control characters", id_bytes_max));
    }
    return text;
}

std::int64_t integer_of(element value, const Path& path) {
    std::int64_t number = 0;
    if (value.type() != element_type::INT64 || value.get(number) != simdjson::SUCCESS)
        expected("an integer", value, path);
    return number;
}

Fields::Fields(element value, const Path& path) : path_(path) {
    simdjson::dom::object object;
    if (value.get(object) != simdjson::SUCCESS) expected("an object", value, path);
    std::set<std::string_view> seen;
    for (const auto field : object) {
        const auto same = [&](const auto& other) { return other.first == field.key; };
        const bool repeated = fields_.size() < few_fields ? std::any_of(fields_.begin(), fields_.end(), same)
                                                          : !seen.insert(field.key).second;
        if (repeated) complain(at(field.key), "the key stands twice");
        fields_.emplace_back(field.key, field.value);
        if (fields_.size() == few_fields) {
            for (const auto& known : fields_) seen.insert(known.first);
        }
    }
}

std::optional<element> Fields::find(std::string_view name) const {
    for (const auto& [key, value] : fields_) {
        if (key == name) return value.is_null() ? std::nullopt : std::optional(value);
    }
    return std::nullopt;
}

element Fields::require(std::string_view name) const {
    const auto found = find(name);
    if (!found) complain(at(name), "is missing");
    return *found;
}

std::string Fields::text(std::string_view name) const {
    return text_of(require(name), at(name));
}

std::string Fields::text_or(std::string_view name, std::string otherwise) const {
    const auto found = find(name);
    return found ? text_of(*found, at(name)) : std::move(otherwise);
}

std::string Fields::id(std::string_view name) const {
    return id_of(require(name), at(name));
}

std::optional<std::string> Fields::id_if(std::string_view name) const {
    const auto found = find(name);
    return found ? std::optional(id_of(*found, at(name))) : std::nullopt;
}

std::int64_t Fields::integer(std::string_view name) const {
    return integer_of(require(name), at(name));
}

std::optional<std::int64_t> Fields::integer_if(std::string_view name) const {
    const auto found = find(name);
    return found ? std::optional(integer_of(*found, at(name))) : std::nullopt;
}

bool Fields::boolean_or(std::string_view name, bool otherwise) const {
    const auto found = find(name);
    bool value = otherwise;
    if (found && found->get(value) != simdjson::SUCCESS) expected("true or false", *found, at(name));
    return value;
}

Timestamp Fields::time(std::string_view name) const {
    const auto time = time_if(name);
    if (!time) complain(at(name), "is missing");
    return *time;
}

std::optional<Timestamp> Fields::time_if(std::string_view name) const {
    const auto found = find(name);
    if (!found) return std::nullopt;
    const auto text = text_of(*found, at(name));
    const auto time = from_rfc3339(text);
    if (!time) complain(at(name), "expected a time as RFC 3339 has it, between 1970 and 2200");
    return time;
}

simdjson::dom::array Fields::array(std::string_view name, std::size_t items_max) const {
    const auto found = array_if(name, items_max);
    if (!found) complain(at(name), "is missing");
    return *found;
}

std::optional<simdjson::dom::array> Fields::array_if(std::string_view name, std::size_t items_max) const {
    const auto found = find(name);
    if (!found) return std::nullopt;
    simdjson::dom::array array;
    if (found->get(array) != simdjson::SUCCESS) expected("an array", *found, at(name));
    std::size_t items = 0;
    for (const auto item : array) {
        static_cast<void>(item);
        if (++items > items_max) complain(at(name), fmt::format("more than {} items", items_max));
    }
    return array;
}

Fields Fields::object(std::string_view name, Path& storage) const {
    storage = at(name);
    return Fields(require(name), storage);
}

}  // namespace cartwright::codec
