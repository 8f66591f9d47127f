// Reads validated JSON field by field and remembers the first thing that is wrong. After that every read
// gives an empty value, so that readers need no branch per field: they look at problem() at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/codec/decode.hpp"
#include "common/codec/place.hpp"
#include "common/order/id.hpp"
#include "common/order/time.hpp"

namespace simdjson::dom {
class element;
}

namespace cartwright::codec {

class Fields;

/// One parsed text at a time; its buffers are kept for the next.
class Reading {
  public:
    /// Why a text could not be parsed. `local`: it is a number, string or nesting that we can't hold, or no
    /// UTF-8, so that other elements of an array may still be read by themselves.
    struct Refusal {
        bool local = false;
        std::string detail;
    };

    explicit Reading(std::size_t nesting_max);
    ~Reading();
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

    /// Parses and validates the whole text.
    std::optional<Refusal> parse(std::string_view text);
    bool is_array() const;
    /// The number of elements of an array.
    std::size_t size() const;
    /// The parsed text as an object called `name` in complaints.
    Fields root(std::string_view name = {});
    /// Each element of a parsed array as an object of its own.
    void each_root(const std::function<void(const Fields&)>& read);

    /// Keeps the first complaint.
    void complain(const Place& place, std::string_view what);
    const std::optional<std::string>& problem() const { return problem_; }
    /// Forgets the complaint.
    void begin() { problem_.reset(); }

  private:
    friend class Fields;
    struct State;
    std::unique_ptr<State> state_;
    std::optional<std::string> problem_;
};

/// The members of an object, each name once. A member that is null is one that is not there.
class Fields {
  public:
    /// How the element of a list is read.
    using ReadObject = std::function<void(const Fields&)>;

    Fields(const Fields&) = delete;
    Fields& operator=(const Fields&) = delete;
    ~Fields();

    bool has(std::string_view name) const;
    Fields object(std::string_view name) const;

    std::string text(std::string_view name) const;
    std::string text_or_empty(std::string_view name) const;
    template <class Identifier>
    Identifier id(std::string_view name) const {
        return Identifier(id_text(name));
    }
    template <class Identifier>
    std::optional<Identifier> optional_id(std::string_view name) const {
        if (!has(name)) return std::nullopt;
        return id<Identifier>(name);
    }
    template <class Identifier>
    Identifier id_or_empty(std::string_view name) const {
        return has(name) ? id<Identifier>(name) : Identifier();
    }
    /// 1 to `bytes_max` bytes without control characters.
    std::string id_text(std::string_view name, std::size_t bytes_max = id_bytes_max) const;
    std::int64_t integer(std::string_view name) const;
    std::int64_t integer_from(std::string_view name, std::int64_t least) const;
    std::int64_t integer_between(std::string_view name, std::int64_t least, std::int64_t most) const;
    bool boolean(std::string_view name) const;
    Timestamp time(std::string_view name) const;
    std::optional<Timestamp> optional_time(std::string_view name) const;
    /// The index of the text among `names`.
    std::size_t choice(std::string_view name, std::span<const std::string_view> names) const;

    /// Calls `read` for each object of a list that must be there and have at most `count_max` elements.
    void each(std::string_view name, std::size_t count_max, const ReadObject& read) const;
    void each_if_there(std::string_view name, std::size_t count_max, const ReadObject& read) const {
        if (has(name)) each(name, count_max, read);
    }
    /// The texts of a list; none when it is not there.
    std::vector<std::string> texts(std::string_view name) const;
    /// The identifiers of a list; none when it is not there.
    template <class Identifier>
    std::vector<Identifier> ids(std::string_view name) const {
        std::vector<Identifier> all;
        each_text(name, ListOf::ids, [&](std::string_view id) { all.emplace_back(std::string(id)); });
        return all;
    }

    void complain(std::string_view name, std::string_view what) const;
    bool failed() const { return reading_.problem().has_value(); }

  private:
    friend class Reading;
    Fields(Reading& reading, const simdjson::dom::element* value, const Place& place);
    void refuse_repeated() const;
    const simdjson::dom::element* find(std::string_view name) const;
    /// Complains when it is not there.
    const simdjson::dom::element* require(std::string_view name) const;
    void wrong_type(std::string_view name, std::string_view expected,
                    const simdjson::dom::element& found) const;
    std::optional<std::string_view> view(std::string_view name) const;
    enum class ListOf { texts, ids };
    void each_text(std::string_view name, ListOf of, const std::function<void(std::string_view)>& take) const;

    Reading& reading_;
    Place place_;
    std::size_t first_;  ///< of its members in the reading's stack of members
    std::size_t count_ = 0;
    mutable std::size_t expected_ = 0;  ///< where the next one asked for probably is
};

}  // namespace cartwright::codec
