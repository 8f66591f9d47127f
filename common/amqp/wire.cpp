#include "common/amqp/wire.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/outcome/trouble.hpp"

namespace cartwright::amqp {
namespace {

constexpr std::size_t short_text_bytes_max = 255;
constexpr std::uint8_t persistent = 2;
constexpr std::uint64_t reserve_bytes_max = 16 * 1024 * 1024;

/// The library encodes whole tables only: this is one with the value as its only entry, under no name.
std::optional<HeaderValue> foreign_value(const amqp_field_value_t& field) {
    amqp_table_entry_t entry{amqp_empty_bytes, field};
    amqp_table_t table{1, &entry};
    for (std::size_t size = 1024; size <= 2 * headers_bytes_max; size *= 4) {
        ForeignValue value{std::string(size, '\0')};
        std::size_t end = 0;
        const int status = amqp_encode_table({size, value.encoded.data()}, &table, &end);
        if (status == AMQP_STATUS_TABLE_TOO_BIG) continue;
        if (status != AMQP_STATUS_OK) return std::nullopt;
        value.encoded.resize(end);
        value.encoded.shrink_to_fit();
        return value;
    }
    return std::nullopt;
}

std::optional<HeaderValue> value_of(const amqp_field_value_t& field) {
    switch (field.kind) {
        case AMQP_FIELD_KIND_UTF8:
        case AMQP_FIELD_KIND_BYTES:
            return text_of(field.value.bytes);
        case AMQP_FIELD_KIND_BOOLEAN:
            return field.value.boolean != 0;
        case AMQP_FIELD_KIND_I8:
            return std::int64_t{field.value.i8};
        case AMQP_FIELD_KIND_U8:
            return std::int64_t{field.value.u8};
        case AMQP_FIELD_KIND_I16:
            return std::int64_t{field.value.i16};
        case AMQP_FIELD_KIND_U16:
            return std::int64_t{field.value.u16};
        case AMQP_FIELD_KIND_I32:
            return std::int64_t{field.value.i32};
        case AMQP_FIELD_KIND_U32:
            return std::int64_t{field.value.u32};
        case AMQP_FIELD_KIND_I64:
            return field.value.i64;
        default:
            return foreign_value(field);
    }
}

void read_headers(const amqp_table_t& table, Delivery& delivery) {
    for (int i = 0; i < table.num_entries; ++i) {
        const auto& entry = table.entries[i];
        auto value = value_of(entry.value);
        if (!value) continue;
        auto name = text_of(entry.key);
        if (name == "x-delivery-count") {
            // On the first delivery it can only be the sender's.
            const auto* count = std::get_if<std::int64_t>(&*value);
            if (count != nullptr && delivery.redelivered) delivery.delivery_count = *count;
            continue;
        }
        delivery.headers.emplace_back(std::move(name), std::move(*value));
    }
}

}  // namespace

amqp_bytes_t bytes_of(std::string_view text) {
    amqp_bytes_t bytes{};
    bytes.len = text.size();
    bytes.bytes = const_cast<char*>(text.data());  // the library's type has no const; it only reads
    return bytes;
}

std::string text_of(const amqp_bytes_t& bytes) {
    return bytes.len == 0 ? std::string() : std::string(static_cast<const char*>(bytes.bytes), bytes.len);
}

std::size_t header_bytes(const std::string& name, const HeaderValue& value) {
    constexpr std::size_t length_of_name = 1, kind = 1, length_of_text = 4, number = 8, truth = 1;
    constexpr std::size_t of_table = 6;  // a foreign value is a table of one
    const auto begin = length_of_name + name.size() + kind;
    if (const auto* text = std::get_if<std::string>(&value)) return begin + length_of_text + text->size();
    if (const auto* foreign = std::get_if<ForeignValue>(&value))
        return begin + foreign->encoded.size() - of_table;
    return begin + (std::holds_alternative<bool>(value) ? truth : number);
}

amqp_field_value_t Properties::field_of(const HeaderValue& value) {
    amqp_field_value_t field{};
    if (const auto* text = std::get_if<std::string>(&value)) {
        field.kind = AMQP_FIELD_KIND_UTF8;
        field.value.bytes = bytes_of(*text);
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
        field.kind = AMQP_FIELD_KIND_I64;
        field.value.i64 = *number;
    } else if (const auto* truth = std::get_if<bool>(&value)) {
        field.kind = AMQP_FIELD_KIND_BOOLEAN;
        field.value.boolean = *truth ? 1 : 0;
    } else {
        const auto& encoded = std::get<ForeignValue>(value).encoded;
        if (!pool_) pool_.emplace();
        amqp_table_t table{};
        std::size_t end = 0;
        const int status = amqp_decode_table(bytes_of(encoded), &pool_->pool, &table, &end);
        CARTWRIGHT_ASSERT(status == AMQP_STATUS_OK && table.num_entries == 1);
        field = table.entries[0].value;
    }
    return field;
}

Properties::Properties(const Outgoing& message) {
    properties_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties_.delivery_mode = persistent;
    const auto set = [this](amqp_flags_t flag, amqp_bytes_t& property, const std::string& text) {
        if (text.empty()) return;
        properties_._flags |= flag;
        property = bytes_of(text);
    };
    set(AMQP_BASIC_CONTENT_TYPE_FLAG, properties_.content_type, message.content_type);
    set(AMQP_BASIC_CONTENT_ENCODING_FLAG, properties_.content_encoding, message.content_encoding);
    set(AMQP_BASIC_MESSAGE_ID_FLAG, properties_.message_id, message.message_id);
    set(AMQP_BASIC_TYPE_FLAG, properties_.type, message.type);
    set(AMQP_BASIC_REPLY_TO_FLAG, properties_.reply_to, message.reply_to);
    set(AMQP_BASIC_CORRELATION_ID_FLAG, properties_.correlation_id, message.correlation_id);
    if (message.headers.empty()) return;
    entries_.reserve(message.headers.size());
    for (const auto& [name, value] : message.headers) entries_.push_back({bytes_of(name), field_of(value)});
    properties_._flags |= AMQP_BASIC_HEADERS_FLAG;
    properties_.headers.num_entries = static_cast<int>(entries_.size());
    properties_.headers.entries = entries_.data();
}

std::optional<std::string> unencodable(const Outgoing& message) {
    const std::pair<const char*, const std::string&> texts[] = {
        {"exchange", message.exchange},         {"routing key", message.routing_key},
        {"content type", message.content_type}, {"content encoding", message.content_encoding},
        {"message id", message.message_id},     {"type", message.type},
        {"reply address", message.reply_to},    {"correlation id", message.correlation_id}};
    for (const auto& [name, text] : texts)
        if (text.size() > short_text_bytes_max)
            return fmt::format("{} longer than 255 bytes: {}", name, text);
    std::size_t bytes = 0;
    for (const auto& [name, value] : message.headers) {
        if (name.size() > short_text_bytes_max)
            return fmt::format("header name longer than 255 bytes: {}", name);
        bytes += header_bytes(name, value);
    }
    if (bytes > headers_bytes_max)
        return fmt::format("headers of {} bytes, at most {}", bytes, headers_bytes_max);
    return std::nullopt;
}

bool Assembler::begin(const amqp_method_t& method) {
    Arrival arrival;
    auto& delivery = arrival.delivery;
    switch (method.id) {
        case AMQP_BASIC_DELIVER_METHOD: {
            const auto& deliver = *static_cast<const amqp_basic_deliver_t*>(method.decoded);
            arrival.kind = Arrival::Kind::delivered;
            arrival.consumer_tag = text_of(deliver.consumer_tag);
            delivery.token.tag = deliver.delivery_tag;
            delivery.redelivered = deliver.redelivered != 0;
            delivery.exchange = text_of(deliver.exchange);
            delivery.routing_key = text_of(deliver.routing_key);
            break;
        }
        case AMQP_BASIC_GET_OK_METHOD: {
            const auto& got = *static_cast<const amqp_basic_get_ok_t*>(method.decoded);
            arrival.kind = Arrival::Kind::got;
            delivery.token.tag = got.delivery_tag;
            delivery.redelivered = got.redelivered != 0;
            delivery.exchange = text_of(got.exchange);
            delivery.routing_key = text_of(got.routing_key);
            break;
        }
        case AMQP_BASIC_RETURN_METHOD: {
            const auto& returned = *static_cast<const amqp_basic_return_t*>(method.decoded);
            arrival.kind = Arrival::Kind::returned;
            arrival.why = text_of(returned.reply_text);
            delivery.exchange = text_of(returned.exchange);
            delivery.routing_key = text_of(returned.routing_key);
            break;
        }
        default:
            return false;
    }
    arrival_ = std::move(arrival);
    begun_ = true;
    return true;
}

void Assembler::read_properties(const amqp_basic_properties_t& properties) {
    auto& delivery = arrival_.delivery;
    const auto get = [&](amqp_flags_t flag, const amqp_bytes_t& property) {
        return (properties._flags & flag) != 0 ? text_of(property) : std::string();
    };
    delivery.content_type = get(AMQP_BASIC_CONTENT_TYPE_FLAG, properties.content_type);
    delivery.content_encoding = get(AMQP_BASIC_CONTENT_ENCODING_FLAG, properties.content_encoding);
    delivery.message_id = get(AMQP_BASIC_MESSAGE_ID_FLAG, properties.message_id);
    delivery.type = get(AMQP_BASIC_TYPE_FLAG, properties.type);
    delivery.reply_to = get(AMQP_BASIC_REPLY_TO_FLAG, properties.reply_to);
    delivery.correlation_id = get(AMQP_BASIC_CORRELATION_ID_FLAG, properties.correlation_id);
    if ((properties._flags & AMQP_BASIC_HEADERS_FLAG) != 0) read_headers(properties.headers, delivery);
}

bool Assembler::feed(const amqp_frame_t& frame) {
    if (frame.frame_type == AMQP_FRAME_METHOD) return begin(frame.payload.method);
    if (!begun_) return false;
    if (frame.frame_type == AMQP_FRAME_HEADER) {
        read_properties(*static_cast<const amqp_basic_properties_t*>(frame.payload.properties.decoded));
        body_bytes_ = frame.payload.properties.body_size;
        arrival_.delivery.body.reserve(std::min(body_bytes_, reserve_bytes_max));
    } else if (frame.frame_type == AMQP_FRAME_BODY) {
        const auto& part = frame.payload.body_fragment;
        arrival_.delivery.body.append(static_cast<const char*>(part.bytes), part.len);
    }
    complete_ = arrival_.delivery.body.size() >= body_bytes_;
    return true;
}

std::optional<Arrival> Assembler::take() {
    if (!complete_) return std::nullopt;
    std::optional<Arrival> arrival(std::move(arrival_));
    reset();
    return arrival;
}

void Assembler::reset() {
    arrival_ = {};
    body_bytes_ = 0;
    begun_ = complete_ = false;
}

}  // namespace cartwright::amqp
