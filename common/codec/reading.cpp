#include "common/codec/reading.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace cartwright::codec {
namespace {

namespace dom = simdjson::dom;

std::string_view type_name(const dom::element& value) {
    switch (value.type()) {
        case dom::element_type::ARRAY:
            return "an array";
        case dom::element_type::OBJECT:
            return "an object";
        case dom::element_type::INT64:
            return "an integer";
        case dom::element_type::UINT64:
            return "an integer beyond 64 bits";
        case dom::element_type::DOUBLE:
            return "a number with a fraction or exponent";
        case dom::element_type::STRING:
            return "a string";
        case dom::element_type::BOOL:
            return "a boolean";
        case dom::element_type::NULL_VALUE:
            return "null";
    }
    return "something else";
}

bool has_nul(std::string_view text) {
    return text.find('\0') != std::string_view::npos;
}

constexpr std::string_view nul_complaint = "has the character U+0000, which can't be stored";

bool is_id(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= id_bytes_max) return is_valid_id(text);
    return text.size() <= bytes_max && std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
}

std::string id_complaint(std::size_t bytes_max, std::string_view found) {
    return fmt::format("expected 1 to {} bytes without control characters, found {} bytes: {}", bytes_max,
                       found.size(), shown(found));
}

}  // namespace

struct Reading::State {
    explicit State(std::size_t nesting) : nesting_max(nesting) {}

    std::size_t nesting_max;
    dom::parser parser;
    bool allocated = false;
    std::vector<char> padded;
    dom::element document;
    std::vector<std::pair<std::string_view, dom::element>> members;  ///< of all objects that are being read
    std::vector<std::string_view> keys;
};

Reading::Reading(std::size_t nesting_max) : state_(std::make_unique<State>(nesting_max)) {}

Reading::~Reading() = default;

std::optional<Reading::Refusal> Reading::parse(std::string_view text) {
    begin();
    State& state = *state_;
    if (!state.allocated) {
        constexpr std::size_t first_bytes = 64 * 1024;
        // simdjson counts the document as one level.
        if (const auto error = state.parser.allocate(first_bytes, state.nesting_max + 1);
            error != simdjson::SUCCESS) {
            throw std::bad_alloc();
        }
        state.allocated = true;
    }
    const std::size_t wanted = text.size() + simdjson::SIMDJSON_PADDING;
    if (state.padded.size() < wanted) state.padded.resize(wanted);
    std::copy(text.begin(), text.end(), state.padded.begin());
    std::memset(state.padded.data() + text.size(), 0, simdjson::SIMDJSON_PADDING);
    const auto error = state.parser.parse(state.padded.data(), text.size(), false).get(state.document);
    switch (error) {
        case simdjson::SUCCESS:
            return std::nullopt;
        case simdjson::MEMALLOC:
            throw std::bad_alloc();
        case simdjson::DEPTH_ERROR:
            return Refusal{true, fmt::format("nested deeper than {}", state.nesting_max)};
        case simdjson::NUMBER_ERROR:
            return Refusal{true, "not JSON, or a number beyond what 64 bits hold"};
        case simdjson::STRING_ERROR:
            return Refusal{true, "not JSON: a string with a wrong escape or half a surrogate"};
        case simdjson::UTF8_ERROR:
            return Refusal{true, "not UTF-8"};
        case simdjson::EMPTY:
            return Refusal{false, "not JSON: empty"};
        default:
            return Refusal{false, fmt::format("not JSON: {}", simdjson::error_message(error))};
    }
}

bool Reading::is_array() const {
    return state_->document.is_array();
}

std::size_t Reading::size() const {
    dom::array array;
    if (state_->document.get(array) != simdjson::SUCCESS) return 0;
    std::size_t count = 0;
    for ([[maybe_unused]] const auto element : array) ++count;
    return count;
}

Fields Reading::root(std::string_view name) {
    return {*this, &state_->document, Place{nullptr, name, 0}};
}

void Reading::each_root(const std::function<void(const Fields&)>& read) {
    dom::array array;
    if (state_->document.get(array) != simdjson::SUCCESS) return;
    for (const dom::element element : array) {
        begin();
        read(Fields(*this, &element, Place{}));
    }
}

void Reading::complain(const Place& place, std::string_view what) {
    if (problem_) return;
    const auto path = path_of(place);
    problem_ = path.empty() ? std::string(what) : fmt::format("{}: {}", path, what);
}

Fields::Fields(Reading& reading, const dom::element* value, const Place& place)
    : reading_(reading), place_(place), first_(reading.state_->members.size()) {
    if (value == nullptr || failed()) return;
    dom::object object;
    if (value->get(object) != simdjson::SUCCESS) {
        reading_.complain(place_, fmt::format("expected an object, found {}", type_name(*value)));
        return;
    }
    auto& members = reading_.state_->members;
    for (const auto member : object) members.emplace_back(member.key, member.value);
    count_ = members.size() - first_;
    refuse_repeated();
}

Fields::~Fields() {
    reading_.state_->members.resize(first_);
}

void Fields::refuse_repeated() const {
    const auto members = std::span(reading_.state_->members).subspan(first_, count_);
    constexpr std::size_t few = 24;
    const auto repeated = [&](std::string_view key) {
        reading_.complain(place_, fmt::format("the name {} stands there twice", shown(key)));
    };
    if (members.size() > few) {
        auto& keys = reading_.state_->keys;
        keys.clear();
        for (const auto& member : members) keys.push_back(member.first);
        std::sort(keys.begin(), keys.end());
        if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end())
            repeated(*twice);
        return;
    }
    for (std::size_t later = 1; later < members.size(); ++later) {
        for (std::size_t earlier = 0; earlier < later; ++earlier) {
            if (members[earlier].first == members[later].first) return repeated(members[later].first);
        }
    }
}

/// Readers ask in the order in which writers mostly write, so one of the first two guesses is mostly right.
const dom::element* Fields::find(std::string_view name) const {
    const auto members = std::span(reading_.state_->members).subspan(first_, count_);
    for (std::size_t i = 0; i < count_; ++i) {
        std::size_t at = expected_ + i;
        if (at >= count_) at -= count_;
        if (members[at].first != name) continue;
        expected_ = at;
        return members[at].second.is_null() ? nullptr : &members[at].second;
    }
    return nullptr;
}

const dom::element* Fields::require(std::string_view name) const {
    if (failed()) return nullptr;
    const auto* found = find(name);
    if (found == nullptr) complain(name, "missing");
    return found;
}

bool Fields::has(std::string_view name) const {
    return !failed() && find(name) != nullptr;
}

void Fields::complain(std::string_view name, std::string_view what) const {
    reading_.complain(Place{&place_, name, 0}, what);
}

void Fields::wrong_type(std::string_view name, std::string_view expected, const dom::element& found) const {
    complain(name, fmt::format("expected {}, found {}", expected, type_name(found)));
}

Fields Fields::object(std::string_view name) const {
    return {reading_, require(name), Place{&place_, name, 0}};
}

std::optional<std::string_view> Fields::view(std::string_view name) const {
    const auto* found = require(name);
    if (found == nullptr) return std::nullopt;
    std::string_view text;
    if (found->get(text) != simdjson::SUCCESS) {
        wrong_type(name, "a string", *found);
        return std::nullopt;
    }
    return text;
}

std::string Fields::text(std::string_view name) const {
    const auto found = view(name);
    if (!found) return {};
    if (has_nul(*found)) {
        complain(name, nul_complaint);
        return {};
    }
    return std::string(*found);
}

std::string Fields::text_or_empty(std::string_view name) const {
    return has(name) ? text(name) : std::string();
}

std::string Fields::id_text(std::string_view name, std::size_t bytes_max) const {
    const auto found = view(name);
    if (!found) return {};
    if (!is_id(*found, bytes_max)) {
        complain(name, id_complaint(bytes_max, *found));
        return {};
    }
    return std::string(*found);
}

std::int64_t Fields::integer(std::string_view name) const {
    const auto* found = require(name);
    std::int64_t value = 0;
    if (found == nullptr) return value;
    if (!found->is_int64()) {
        wrong_type(name, "an integer", *found);
    } else if (found->get(value) != simdjson::SUCCESS) {
        complain(name, "not readable as an integer");
    }
    return value;
}

std::int64_t Fields::integer_from(std::string_view name, std::int64_t least) const {
    const auto value = integer(name);
    if (value < least) complain(name, fmt::format("expected {} or more, found {}", least, value));
    return value;
}

std::int64_t Fields::integer_between(std::string_view name, std::int64_t least, std::int64_t most) const {
    const auto value = integer(name);
    if (value < least || value > most) {
        complain(name, fmt::format("expected {} to {}, found {}", least, most, value));
    }
    return value;
}

bool Fields::boolean(std::string_view name) const {
    const auto* found = require(name);
    bool value = false;
    if (found != nullptr && found->get(value) != simdjson::SUCCESS) wrong_type(name, "a boolean", *found);
    return value;
}

Timestamp Fields::time(std::string_view name) const {
    const auto found = view(name);
    if (!found) return {};
    const auto time = from_rfc3339(*found);
    if (!time)
        complain(name, fmt::format("expected an RFC 3339 time of 1970 to 2200, found {}", shown(*found)));
    return time.value_or(Timestamp{});
}

std::optional<Timestamp> Fields::optional_time(std::string_view name) const {
    if (!has(name)) return std::nullopt;
    return time(name);
}

std::size_t Fields::choice(std::string_view name, std::span<const std::string_view> names) const {
    const auto found = view(name);
    if (!found) return 0;
    const auto chosen = std::find(names.begin(), names.end(), *found);
    if (chosen == names.end()) {
        complain(name, fmt::format("expected one of {}, found {}", fmt::join(names, ", "), shown(*found)));
        return 0;
    }
    return static_cast<std::size_t>(chosen - names.begin());
}

void Fields::each(std::string_view name, std::size_t count_max, const ReadObject& read) const {
    const auto* found = require(name);
    if (found == nullptr) return;
    dom::array array;
    if (found->get(array) != simdjson::SUCCESS) return wrong_type(name, "an array", *found);
    const Place list{&place_, name, 0};
    std::size_t index = 0;
    for (const dom::element element : array) {
        if (index == count_max) return complain(name, fmt::format("more than {} elements", count_max));
        read(Fields(reading_, &element, Place{&list, {}, index}));
        if (failed()) return;
        ++index;
    }
}

std::vector<std::string> Fields::texts(std::string_view name) const {
    std::vector<std::string> all;
    each_text(name, ListOf::texts, [&](std::string_view text) { all.emplace_back(text); });
    return all;
}

void Fields::each_text(std::string_view name, ListOf of,
                       const std::function<void(std::string_view)>& take) const {
    if (!has(name)) return;
    const auto* found = find(name);
    dom::array array;
    if (found->get(array) != simdjson::SUCCESS) return wrong_type(name, "an array", *found);
    const Place list{&place_, name, 0};
    std::size_t index = 0;
    for (const dom::element element : array) {
        const Place place{&list, {}, index++};
        std::string_view text;
        if (element.get(text) != simdjson::SUCCESS) {
            return reading_.complain(place, fmt::format("expected a string, found {}", type_name(element)));
        }
        if (of == ListOf::ids && !is_valid_id(text))
            return reading_.complain(place, id_complaint(id_bytes_max, text));
        if (has_nul(text)) return reading_.complain(place, nul_complaint);
        take(text);
    }
}

}  // namespace cartwright::codec
