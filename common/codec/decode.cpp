#include "common/codec/decode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/codec/payloads.hpp"
#include "common/codec/reading.hpp"
#include "common/codec/splitting.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::codec {
namespace {

using Content = std::variant<message::Event, Problem>;

/// The fleet makes ids of up to four others: "<order>/cancelled/<event>",
/// "<seller>/<sku>/<warehouse>/<version>".
constexpr std::size_t fleet_event_id_bytes_max = 1000;

constexpr const char* malformed = "malformed";

/// Trace Context: "00-<32 hex>-<16 hex>-<2 hex>". Receivers ignore what is not that.
bool is_traceparent(std::string_view text) {
    if (text.size() < 55) return false;
    for (std::size_t i = 0; i < 55; ++i) {
        const char c = text[i];
        const bool dash = i == 2 || i == 35 || i == 52;
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !hex) return false;
    }
    return text.size() == 55 && text.substr(0, 2) != "ff";
}

/// A name for what can't be read: unknown, or another version of something known.
Problem unknown_type(std::string_view type) {
    if (is_other_major(type)) {
        return {"unsupported_version",
                fmt::format("type: {} has another major version than the known one", shown(type))};
    }
    return {"unknown_type", fmt::format("type: {} is not known", shown(type))};
}

void read_envelope(const Fields& fields, std::size_t id_bytes, message::Envelope& envelope) {
    envelope.id = EventId(fields.id_text("id", id_bytes));
    envelope.source = fields.id_text("source", fleet_event_id_bytes_max);
    envelope.time = fields.optional_time("time");
    auto traceparent = fields.text_or_empty("traceparent");
    if (is_traceparent(traceparent)) envelope.traceparent = std::move(traceparent);
}

Content read_event(const Reading& reading, const Fields& fields, const Limits& limits) {
    const auto version = fields.text("specversion");
    if (!fields.failed() && version != "1.0")
        fields.complain("specversion", "expected 1.0, found " + shown(version));
    message::Event event;
    event.envelope.type = fields.text("type");
    if (reading.problem()) return Problem{malformed, *reading.problem()};
    const auto& type = event.envelope.type;
    const auto* kind = kind_of(type);
    const bool outside = kind == nullptr ? !is_seller_message(type) : kind->origin == Origin::outside;
    read_envelope(fields, outside ? id_bytes_max : fleet_event_id_bytes_max, event.envelope);
    if (reading.problem()) return Problem{malformed, *reading.problem()};
    if (kind != nullptr) {
        event.payload = kind->read(fields.object("data"), limits);
    } else if (is_seller_message(type)) {
        event.payload = read_seller_message(fields);
    } else {
        return unknown_type(type);
    }
    if (reading.problem()) return Problem{malformed, *reading.problem()};
    return event;
}

}  // namespace

struct Decoder::State {
    explicit State(Limits with) : limits(with), reading(with.nesting_max) {}

    std::vector<Decoded> decode_batch(std::string_view body);
    std::vector<Decoded> decode_one_by_one(const std::vector<std::string_view>& texts);
    bool is_too_many(std::size_t count) const { return count > limits.members_max; }
    Problem too_many() const {
        return {malformed, fmt::format("a batch of more than {} events", limits.members_max)};
    }

    Limits limits;
    Reading reading;
};

/// Of a batch that is parsed already.
std::vector<Decoded> Decoder::State::decode_batch(std::string_view body) {
    const auto count = reading.size();
    if (is_too_many(count)) return {{body, too_many()}};
    const auto raws = split_array(body, limits.members_max);
    CARTWRIGHT_ASSERT(raws && raws->size() == count);
    std::vector<Decoded> all;
    all.reserve(count);
    reading.each_root([&](const Fields& fields) {
        all.push_back({(*raws)[all.size()], read_event(reading, fields, limits)});
    });
    return all;
}

/// Of a batch in which something is more than we can hold: only its member is refused for it.
std::vector<Decoded> Decoder::State::decode_one_by_one(const std::vector<std::string_view>& texts) {
    std::vector<Decoded> all;
    all.reserve(texts.size());
    for (const auto text : texts) {
        if (const auto refusal = reading.parse(text)) {
            all.push_back({text, Problem{malformed, refusal->detail}});
        } else {
            all.push_back({text, read_event(reading, reading.root(), limits)});
        }
    }
    return all;
}

Decoder::Decoder(Limits limits) : state_(std::make_unique<State>(limits)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

std::vector<Decoded> Decoder::decode(std::string_view body) {
    State& state = *state_;
    if (body.size() > state.limits.body_bytes_max) {
        return {{body, Problem{"body_too_large", fmt::format("{} bytes; at most {} are read", body.size(),
                                                             state.limits.body_bytes_max)}}};
    }
    const auto refusal = state.reading.parse(body);
    if (refusal) {
        const auto texts = refusal->local ? split_array(body, state.limits.members_max) : std::nullopt;
        if (!texts) return {{body, Problem{malformed, refusal->detail}}};
        if (state.is_too_many(texts->size())) return {{body, state.too_many()}};
        return state.decode_one_by_one(*texts);
    }
    if (state.reading.is_array()) return state.decode_batch(body);
    std::vector<Decoded> one;
    one.push_back({trimmed(body), read_event(state.reading, state.reading.root(), state.limits)});
    return one;
}

std::variant<message::Payload, Problem> Decoder::decode_data(std::string_view type, std::string_view data) {
    State& state = *state_;
    const auto* kind = kind_of(type);
    if (kind == nullptr) return unknown_type(type);
    if (const auto refusal = state.reading.parse(data)) return Problem{malformed, "data: " + refusal->detail};
    auto payload = kind->read(state.reading.root("data"), state.limits);
    if (state.reading.problem()) return Problem{malformed, *state.reading.problem()};
    return payload;
}

}  // namespace cartwright::codec
