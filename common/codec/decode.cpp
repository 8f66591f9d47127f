#include "common/codec/decode.hpp"

#include <fmt/format.h>

#include <cstring>

#include "common/codec/fields.hpp"
#include "common/codec/payloads.hpp"

namespace cartwright::codec {
namespace {

using simdjson::dom::element;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// The elements of an array's text, which is known to be valid JSON.
std::vector<std::string_view> elements_of(std::string_view array) {
    std::vector<std::string_view> found;
    std::size_t depth = 0, begin = 1;
    bool quoted = false;
    for (std::size_t i = 0; i < array.size(); ++i) {
        const char c = array[i];
        if (quoted) {
            if (c == '\\') ++i;
            if (c == '"') quoted = false;
            continue;
        }
        if (c == '"') quoted = true;
        if (c == '[' || c == '{') ++depth;
        const bool ends = c == ']' || c == '}';
        if ((depth == 1 && c == ',') || (depth == 1 && ends)) {
            const auto one = trimmed(array.substr(begin, i - begin));
            if (!one.empty()) found.push_back(one);
            begin = i + 1;
        }
        if (ends) --depth;
    }
    return found;
}

message::Envelope envelope_of(const Fields& event) {
    if (event.text("specversion") != "1.0") complain(event.at("specversion"), "expected 1.0");
    message::Envelope envelope;
    envelope.id = EventId(event.id("id"));
    envelope.type = event.text("type");
    envelope.source = event.text("source");
    envelope.time = event.time_if("time");
    envelope.traceparent = event.text_or("traceparent", "");
    return envelope;
}

message::SellerMessage seller_message(const Fields& event) {
    return {SellerId(event.id("sellerid")), StreamName(event.id("stream")), event.integer("number")};
}

std::variant<message::Event, Problem> read_event(element value, const Path& path, const Limits& limits) {
    try {
        const Fields event(value, path);
        auto envelope = envelope_of(event);
        if (!is_known(envelope.type)) return unreadable(envelope.type);
        if (envelope.type == message::type::seller_order || envelope.type == message::type::seller_cancellation) {
            return message::Event{std::move(envelope), seller_message(event)};
        }
        const auto data = event.find("data");
        if (!data) complain(event.at("data"), "is missing");
        auto payload = read_payload(envelope.type, *data, event.at("data"), limits);
        return message::Event{std::move(envelope), std::move(payload)};
    } catch (Bad& bad) {
        return std::move(bad.problem);
    }
}

}  // namespace

struct Decoder::State {
    Limits limits;
    simdjson::dom::parser parser;
    std::string padded;

    explicit State(Limits wanted) : limits(wanted), parser(wanted.body_bytes_max + simdjson::SIMDJSON_PADDING) {}

    simdjson::simdjson_result<element> parse(std::string_view text) {
        if (padded.size() < text.size() + simdjson::SIMDJSON_PADDING) {
            padded.resize(text.size() + simdjson::SIMDJSON_PADDING);
        }
        if (parser.capacity() < text.size() || parser.max_depth() != limits.nesting_max) {
            if (const auto error = parser.allocate(std::max<std::size_t>(text.size(), 16'384), limits.nesting_max)) return error;
        }
        std::memcpy(padded.data(), text.data(), text.size());
        return parser.parse(padded.data(), text.size(), false);
    }
};

Decoder::Decoder(Limits limits) : state_(std::make_unique<State>(limits)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

std::vector<Decoded> Decoder::decode(std::string_view body) {
    const auto& limits = state_->limits;
    const auto whole = [&](Problem problem) { return std::vector<Decoded>{{body, std::move(problem)}}; };
    if (body.size() > limits.body_bytes_max) {
        return whole({"body_too_large", fmt::format("{} bytes; at most {} are read", body.size(), limits.body_bytes_max)});
    }
    element document;
    if (const auto error = state_->parse(body).get(document)) {
        return whole({"malformed", fmt::format("not JSON: {}", simdjson::error_message(error))});
    }
    const auto text = trimmed(body);
    if (!document.is_array()) return {{text, read_event(document, Path{}, limits)}};
    const auto raws = elements_of(text);
    if (raws.size() > limits.members_max) {
        return whole({"malformed", fmt::format("{} events in one message; at most {} are read", raws.size(), limits.members_max)});
    }
    std::vector<Decoded> members;
    members.reserve(raws.size());
    std::size_t index = 0;
    for (const auto member : simdjson::dom::array(document)) {
        members.push_back({raws[index], read_event(member, Path{}, limits)});
        ++index;
    }
    return members;
}

std::variant<message::Payload, Problem> Decoder::decode_data(std::string_view type, std::string_view data) {
    element document;
    if (const auto error = state_->parse(data).get(document)) {
        return Problem{"malformed", fmt::format("not JSON: {}", simdjson::error_message(error))};
    }
    try {
        if (!is_known(type)) return unreadable(type);
        return read_payload(type, document, Path{nullptr, "data", 0}, state_->limits);
    } catch (Bad& bad) {
        return std::move(bad.problem);
    }
}

}  // namespace cartwright::codec
