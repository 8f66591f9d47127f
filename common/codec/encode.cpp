#include "common/codec/encode.hpp"

#include <fmt/format.h>

#include "common/codec/words.hpp"
#include "common/codec/writer.hpp"

namespace cartwright::codec {
namespace {

void write_line(Writer& writer, const OrderLine& line) {
    writer.open_object().field("line_id", line.line_id.str()).field("sku", line.sku.str());
    writer.field_if("category", line.category).field("quantity", line.quantity);
    writer.field("unit_price_minor", line.unit_price_minor);
    if (!line.allocations.empty()) {
        writer.key("allocations").open_array();
        for (const auto& allocation : line.allocations) {
            writer.open_object().field("warehouse", allocation.warehouse.str());
            writer.field("quantity", allocation.quantity).close_object();
        }
        writer.close_array();
    }
    writer.close_object();
}

void write_texts(Writer& writer, std::string_view name, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    writer.key(name).open_array();
    for (const auto& text : texts) writer.value(text);
    writer.close_array();
}

void write_position(Writer& writer, const PositionKey& key) {
    writer.field("seller_id", key.seller_id.str()).field("sku", key.sku.str()).field("warehouse", key.warehouse.str());
}

void write_cancelled_lines(Writer& writer, const std::vector<message::SellerCancellation::Line>& lines) {
    writer.key("lines").open_array();
    for (const auto& line : lines) {
        writer.open_object().field("line_id", line.line_id.str()).field("sku", line.sku.str());
        writer.field("quantity", line.quantity).close_object();
    }
    writer.close_array();
}

/// Writes the fields of each payload into an open object.
struct DataWriter {
    Writer& writer;

    void operator()(const message::CartSubmitted& submitted) const {
        const auto& cart = submitted.cart;
        writer.field("order_id", cart.order_id.str()).field("channel", cart.channel).field("currency", cart.currency);
        writer.field("paid", cart.paid).field("policy", word_of(cart.policy));
        if (cart.placed_at) writer.field("placed_at", to_rfc3339(*cart.placed_at));
        writer.key("lines").open_array();
        for (const auto& line : cart.lines) {
            writer.open_object().field("line_id", line.line_id.str()).field("sku", line.sku.str());
            if (line.seller_id) writer.field("seller_id", line.seller_id->str());
            writer.field("quantity", line.quantity);
            if (line.unit_price_minor) writer.field("unit_price_minor", *line.unit_price_minor);
            writer.close_object();
        }
        writer.close_array();
    }

    void operator()(const message::StockMoved& moved) const {
        writer.key("movements").open_array();
        for (const auto& movement : moved.movements) {
            writer.open_object().field("kind", word_of(movement.kind)).field("seller_id", movement.seller_id.str());
            writer.field_if("sku", movement.sku.str()).field_if("warehouse", movement.warehouse.str());
            writer.field_if("order_id", movement.order_id.str()).field_if("line_id", movement.line_id.str());
            writer.field("quantity", movement.quantity).field("occurred_at", to_rfc3339(movement.occurred_at));
            writer.field_if("reason", movement.reason).close_object();
        }
        writer.close_array();
    }

    void operator()(const message::OrderCancellation& cancellation) const {
        writer.field("order_id", cancellation.order_id.str()).field_if("reason", cancellation.reason);
        writer.field_if("requested_by", cancellation.requested_by);
        if (cancellation.lines.empty()) return;
        writer.key("lines").open_array();
        for (const auto& line : cancellation.lines) {
            writer.open_object().field("line_id", line.line_id.str()).field("quantity", line.quantity).close_object();
        }
        writer.close_array();
    }

    void operator()(const message::CatalogueChanged& changed) const {
        writer.key("skus").open_array();
        for (const auto& sku : changed.skus) writer.value(sku.str());
        writer.close_array().key("sellers").open_array();
        for (const auto& seller : changed.sellers) writer.value(seller.str());
        writer.close_array();
    }

    void operator()(const message::OrderPlaced& placed) const {
        const auto& order = placed.order;
        writer.field("order_id", order.order_id.str()).field("channel", order.channel).field("currency", order.currency);
        writer.field("paid", order.paid).field("policy", word_of(order.policy));
        if (order.placed_at) writer.field("placed_at", to_rfc3339(*order.placed_at));
        writer.field("total_minor", total_minor(order)).key("sellers").open_array();
        for (const auto& part : order.sellers) {
            writer.open_object().field("seller_id", part.seller_id.str()).field_if("region", part.region);
            write_texts(writer, "tags", part.tags);
            writer.key("lines").open_array();
            for (const auto& line : part.lines) write_line(writer, line);
            writer.close_array().close_object();
        }
        writer.close_array();
        if (order.short_lines.empty()) return;
        writer.key("short").open_array();
        for (const auto& line : order.short_lines) {
            writer.open_object().field("line_id", line.line_id.str()).field("sku", line.sku.str());
            writer.field("seller_id", line.seller_id.str()).field("requested", line.requested);
            writer.field("reserved", line.reserved).close_object();
        }
        writer.close_array();
    }

    void operator()(const message::OrderRejected& rejected) const {
        writer.field("order_id", rejected.order_id.str()).key("reasons").open_array();
        for (const auto& reason : rejected.reasons) {
            writer.open_object().field_if("line_id", reason.line_id.str()).field_if("sku", reason.sku.str());
            writer.field("code", reason.code).field("detail", reason.detail).close_object();
        }
        writer.close_array();
    }

    void operator()(const message::OrderCancelled& cancelled) const {
        writer.field("order_id", cancelled.order_id.str()).field("reason", cancelled.reason);
        writer.field("whole", cancelled.whole).key("sellers").open_array();
        for (const auto& part : cancelled.sellers) {
            writer.open_object().field("seller_id", part.seller_id.str());
            write_cancelled_lines(writer, part.lines);
            writer.close_object();
        }
        writer.close_array();
    }

    void operator()(const message::StockChanged& changed) const {
        write_position(writer, changed.position);
        writer.field("on_hand", changed.on_hand).field("reserved", changed.reserved);
        writer.field("shortfall", changed.shortfall).field("available", changed.on_hand - changed.reserved);
        writer.field("version", changed.version);
    }

    void operator()(const message::StockFill& fill) const {
        writer.key("positions").open_array();
        for (const auto& offer : fill.positions) {
            writer.open_object().field("seller_id", offer.seller_id.str()).field("sku", offer.sku.str()).close_object();
        }
        writer.close_array();
    }

    void operator()(const message::StockShortfall& shortfall) const {
        write_position(writer, shortfall.position);
        writer.field("shortfall", shortfall.shortfall).field("version", shortfall.version).key("orders").open_array();
        for (const auto& order : shortfall.orders) writer.value(order.str());
        writer.close_array();
    }

    void operator()(const message::StockApplied& applied) const {
        writer.field("event_id", applied.event_id.str()).key("results").open_array();
        for (const auto& result : applied.results) {
            writer.open_object().field("index", static_cast<std::int64_t>(result.index));
            writer.field("status", result.applied ? "applied" : "rejected");
            writer.field_if("code", result.code).field_if("detail", result.detail).close_object();
        }
        writer.close_array();
    }

    void operator()(const message::MessageParked& parked) const {
        writer.field("reason", parked.reason).field("detail", parked.detail);
    }

    void operator()(const message::SellerMessage& seller) const {
        writer.field("seller_id", seller.seller_id.str()).field("stream", seller.stream.str());
        writer.field("number", seller.number);
    }
};

/// Opens an event's object and writes its attributes, up to where `data` comes.
Writer open_event(const message::Envelope& envelope, std::size_t bytes_expected) {
    Writer writer(bytes_expected);
    writer.open_object().field("specversion", "1.0").field("id", envelope.id.str()).field("source", envelope.source);
    writer.field("type", envelope.type);
    if (envelope.time) writer.field("time", to_rfc3339(*envelope.time));
    writer.field_if("traceparent", envelope.traceparent);
    return writer;
}

Writer open_seller_event(std::string_view type, const SellerId& seller, std::string_view stream, std::int64_t number,
                         Timestamp time, const std::string& traceparent) {
    const message::Envelope envelope{EventId(seller_message_id(seller, stream, number)), std::string(type),
                                     "cartwright/splitter", time, traceparent};
    auto writer = open_event(envelope, 1'024);
    writer.field("sellerid", seller.str()).field("stream", stream).field("number", number);
    writer.key("data").open_object();
    return writer;
}

}  // namespace

std::string encode_data(const message::Payload& payload) {
    Writer writer;
    writer.open_object();
    std::visit(DataWriter{writer}, payload);
    return writer.close_object().take();
}

std::string encode_event(const message::Envelope& envelope, std::string_view data) {
    auto writer = open_event(envelope, data.size() + 256);
    return writer.key("data").raw(data).close_object().take();
}

std::string encode_batch(std::span<const std::string_view> events) {
    std::size_t bytes = 2;
    for (const auto event : events) bytes += event.size() + 1;
    Writer writer(bytes);
    writer.open_array();
    for (const auto event : events) writer.raw(event);
    return writer.close_array().take();
}

std::string seller_message_id(const SellerId& seller, std::string_view stream, std::int64_t number) {
    return fmt::format("{}/{}/{}", seller, stream, number);
}

std::string encode_seller_order(const SellerOrder& message) {
    const auto& order = *message.order;
    const auto& part = order.sellers[message.seller_index];
    auto writer = open_seller_event(message::type::seller_order, part.seller_id, message.stream, message.number,
                                    message.time, message.traceparent);
    writer.field("order_id", order.order_id.str());
    writer.field("part", static_cast<std::int64_t>(message.seller_index + 1));
    writer.field("parts", static_cast<std::int64_t>(order.sellers.size()));
    writer.field("channel", order.channel).field("currency", order.currency).field("paid", order.paid);
    if (order.placed_at) writer.field("placed_at", to_rfc3339(*order.placed_at));
    writer.field_if("region", part.region);
    write_texts(writer, "tags", part.tags);
    writer.field("total_minor", total_minor(part)).key("lines").open_array();
    for (const auto& line : part.lines) write_line(writer, line);
    return writer.close_array().close_object().close_object().take();
}

std::string encode_seller_cancellation(const SellerCancellationMessage& message) {
    const auto& cancelled = *message.cancelled;
    const auto& part = cancelled.sellers[message.seller_index];
    auto writer = open_seller_event(message::type::seller_cancellation, part.seller_id, message.stream, message.number,
                                    message.time, message.traceparent);
    writer.field("order_id", cancelled.order_id.str()).field("reason", cancelled.reason).field("whole", cancelled.whole);
    write_cancelled_lines(writer, part.lines);
    return writer.close_object().close_object().take();
}

}  // namespace cartwright::codec
