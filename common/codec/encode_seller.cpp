#include <fmt/compile.h>

#include "common/codec/encode.hpp"
#include "common/codec/json_writer.hpp"
#include "common/codec/order_json.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::codec {
namespace {

constexpr std::size_t envelope_bytes = 640;
constexpr std::size_t line_bytes = 256;
constexpr const char* splitter = "cartwright/splitter";

/// The envelope with its place in the stream, up to and into `data`.
template <class Message>
void begin(JsonWriter& writer, const Message& message, std::string_view type, const SellerId& seller,
           const char* source, const std::string& traceparent) {
    message::Envelope envelope;
    envelope.id = EventId(seller_message_id(seller, message.stream, message.number));
    envelope.type = type;
    envelope.source = source;
    envelope.time = message.time;
    envelope.traceparent = traceparent;
    begin_event(writer, envelope);
    writer.id("sellerid", seller);
    writer.text("stream", message.stream);
    writer.integer("number", message.number);
    writer.begin_object("data");
}

std::string end(JsonWriter& writer) {
    writer.end_object();
    writer.end_object();
    return writer.take();
}

}  // namespace

std::string encode_seller_order(const SellerOrder& message) {
    CARTWRIGHT_ASSERT(message.order != nullptr && message.seller_index < message.order->sellers.size());
    const Order& order = *message.order;
    const SellerPart& part = order.sellers[message.seller_index];
    JsonWriter writer(envelope_bytes + part.lines.size() * line_bytes);
    begin(writer, message, message::type::seller_order, part.seller_id, splitter, message.traceparent);
    writer.id("order_id", order.order_id);
    writer.integer("part", static_cast<std::int64_t>(message.seller_index) + 1);
    writer.integer("parts", static_cast<std::int64_t>(order.sellers.size()));
    writer.text("channel", order.channel);
    writer.text("currency", order.currency);
    writer.boolean("paid", order.paid);
    if (order.placed_at) writer.time("placed_at", *order.placed_at);
    write_tags(writer, part);
    writer.integer("total_minor", total_minor(part));
    write_lines(writer, part);
    return end(writer);
}

std::string encode_seller_cancellation(const SellerCancellationMessage& message) {
    CARTWRIGHT_ASSERT(message.cancelled != nullptr &&
                      message.seller_index < message.cancelled->sellers.size());
    const message::OrderCancelled& cancelled = *message.cancelled;
    const message::SellerCancellation& seller = cancelled.sellers[message.seller_index];
    JsonWriter writer(envelope_bytes + seller.lines.size() * line_bytes);
    begin(writer, message, message::type::seller_cancellation, seller.seller_id, splitter,
          message.traceparent);
    writer.id("order_id", cancelled.order_id);
    writer.text("reason", cancelled.reason);
    writer.boolean("whole", cancelled.whole);
    write_lines(writer, seller);
    return end(writer);
}

std::string encode_seller_voided(const SellerVoided& message) {
    JsonWriter writer(envelope_bytes);
    begin(writer, message, message::type::seller_voided, message.seller_id, "cartwright/operator", {});
    writer.id("order_id", message.order_id);
    writer.text("reason", message.reason);
    writer.text("voided_by", message.voided_by);
    writer.text("voided_type", message.voided_type);
    return end(writer);
}

std::string seller_message_id(const SellerId& seller, std::string_view stream, std::int64_t number) {
    return fmt::format(FMT_COMPILE("{}/{}/{}"), seller.str(), stream, number);
}

}  // namespace cartwright::codec
