#include "common/codec/encode.hpp"

#include <limits>

#include "common/codec/json_writer.hpp"
#include "common/codec/order_json.hpp"
#include "common/codec/wire_names.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::codec {
namespace {

// Generous guesses, so that a string rarely grows twice.
constexpr std::size_t envelope_bytes = 320;
constexpr std::size_t object_bytes = 192;

/// on_hand - reserved; the nearest there is where that does not fit.
std::int64_t available(const message::StockChanged& changed) {
    std::int64_t difference = 0;
    if (!__builtin_sub_overflow(changed.on_hand, changed.reserved, &difference)) return difference;
    using Limits = std::numeric_limits<std::int64_t>;
    return changed.reserved > 0 ? Limits::min() : Limits::max();
}

void write_position(JsonWriter& writer, const PositionKey& position) {
    writer.id("seller_id", position.seller_id);
    writer.id("sku", position.sku);
    writer.id("warehouse", position.warehouse);
}

void write_order_head(JsonWriter& writer, const OrderId& order_id, const std::string& channel,
                      const std::string& currency, bool paid, ShortagePolicy policy) {
    writer.id("order_id", order_id);
    writer.text("channel", channel);
    writer.text("currency", currency);
    writer.boolean("paid", paid);
    writer.text("policy", name_of(policy));
}

void write(JsonWriter& writer, const message::CartSubmitted& submitted) {
    const Cart& cart = submitted.cart;
    write_order_head(writer, cart.order_id, cart.channel, cart.currency, cart.paid, cart.policy);
    if (cart.placed_at) writer.time("placed_at", *cart.placed_at);
    writer.begin_array("lines");
    for (const auto& line : cart.lines) {
        writer.begin_object();
        writer.id("line_id", line.line_id);
        writer.id("sku", line.sku);
        if (line.seller_id) writer.id("seller_id", *line.seller_id);
        writer.integer("quantity", line.quantity);
        if (line.unit_price_minor) writer.integer("unit_price_minor", *line.unit_price_minor);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::StockMoved& moved) {
    writer.begin_array("movements");
    for (const auto& movement : moved.movements) {
        writer.begin_object();
        writer.text("kind", name_of(movement.kind));
        writer.id("seller_id", movement.seller_id);
        writer.id_unless_empty("sku", movement.sku);
        writer.id_unless_empty("warehouse", movement.warehouse);
        writer.integer("quantity", movement.quantity);
        writer.time("occurred_at", movement.occurred_at);
        writer.text_unless_empty("reason", movement.reason);
        writer.id_unless_empty("order_id", movement.order_id);
        writer.id_unless_empty("line_id", movement.line_id);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::OrderCancellation& cancellation) {
    writer.id("order_id", cancellation.order_id);
    writer.text("reason", cancellation.reason);
    writer.text_unless_empty("requested_by", cancellation.requested_by);
    if (cancellation.lines.empty()) return;
    writer.begin_array("lines");
    for (const auto& line : cancellation.lines) {
        writer.begin_object();
        writer.id("line_id", line.line_id);
        writer.integer("quantity", line.quantity);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::CatalogueChanged& changed) {
    if (!changed.skus.empty()) {
        writer.begin_array("skus");
        for (const auto& sku : changed.skus) writer.text(sku.str());
        writer.end_array();
    }
    if (!changed.sellers.empty()) {
        writer.begin_array("sellers");
        for (const auto& seller : changed.sellers) writer.text(seller.str());
        writer.end_array();
    }
}

void write(JsonWriter& writer, const message::OrderPlaced& placed) {
    const Order& order = placed.order;
    write_order_head(writer, order.order_id, order.channel, order.currency, order.paid, order.policy);
    if (order.placed_at) writer.time("placed_at", *order.placed_at);
    writer.integer("total_minor", total_minor(order));
    writer.begin_array("sellers");
    for (const auto& part : order.sellers) {
        writer.begin_object();
        writer.id("seller_id", part.seller_id);
        write_tags(writer, part);
        write_lines(writer, part);
        writer.end_object();
    }
    writer.end_array();
    if (order.short_lines.empty()) return;
    writer.begin_array("short");
    for (const auto& line : order.short_lines) {
        writer.begin_object();
        writer.id("line_id", line.line_id);
        writer.id("sku", line.sku);
        writer.id("seller_id", line.seller_id);
        writer.integer("requested", line.requested);
        writer.integer("reserved", line.reserved);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::OrderRejected& rejected) {
    writer.id("order_id", rejected.order_id);
    writer.begin_array("reasons");
    for (const auto& reason : rejected.reasons) {
        writer.begin_object();
        writer.id_unless_empty("line_id", reason.line_id);
        writer.id_unless_empty("sku", reason.sku);
        writer.text("code", reason.code);
        writer.text("detail", reason.detail);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::OrderCancelled& cancelled) {
    writer.id("order_id", cancelled.order_id);
    writer.text("reason", cancelled.reason);
    writer.boolean("whole", cancelled.whole);
    writer.begin_array("sellers");
    for (const auto& seller : cancelled.sellers) {
        writer.begin_object();
        writer.id("seller_id", seller.seller_id);
        write_lines(writer, seller);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::StockChanged& changed) {
    write_position(writer, changed.position);
    writer.integer("on_hand", changed.on_hand);
    writer.integer("reserved", changed.reserved);
    writer.integer("shortfall", changed.shortfall);
    writer.integer("available", available(changed));
    writer.integer("version", changed.version);
}

void write(JsonWriter& writer, const message::StockFill& fill) {
    writer.begin_array("positions");
    for (const auto& offer : fill.positions) {
        writer.begin_object();
        writer.id("seller_id", offer.seller_id);
        writer.id("sku", offer.sku);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::StockShortfall& shortfall) {
    write_position(writer, shortfall.position);
    writer.integer("shortfall", shortfall.shortfall);
    writer.integer("version", shortfall.version);
    writer.begin_array("orders");
    for (const auto& order_id : shortfall.orders) writer.text(order_id.str());
    writer.end_array();
}

void write(JsonWriter& writer, const message::StockApplied& applied) {
    writer.id("event_id", applied.event_id);
    writer.begin_array("results");
    for (const auto& result : applied.results) {
        writer.begin_object();
        writer.integer("index", static_cast<std::int64_t>(result.index));
        writer.text("status", status_names[result.applied ? 0 : 1]);
        writer.text_unless_empty("code", result.code);
        writer.text_unless_empty("detail", result.detail);
        writer.end_object();
    }
    writer.end_array();
}

void write(JsonWriter& writer, const message::MessageParked& parked) {
    writer.text("reason", parked.reason);
    writer.text("detail", parked.detail);
}

void write(JsonWriter&, const message::SellerMessage&) {
    CARTWRIGHT_ASSERT(!"a seller message has no data of its own: it is encoded by encode_seller_*");
}

std::size_t objects_in(const message::OrderPlaced& placed) {
    std::size_t count = 2 + placed.order.sellers.size() + placed.order.short_lines.size();
    for (const auto& part : placed.order.sellers) count += part.lines.size();
    return count;
}
std::size_t objects_in(const message::CartSubmitted& submitted) {
    return 2 + submitted.cart.lines.size();
}
std::size_t objects_in(const message::StockMoved& moved) {
    return 1 + moved.movements.size();
}
template <class Other>
std::size_t objects_in(const Other&) {
    return 2;
}

}  // namespace

void begin_event(JsonWriter& writer, const message::Envelope& envelope) {
    writer.begin_object();
    writer.text("specversion", "1.0");
    writer.id("id", envelope.id);
    writer.text("source", envelope.source);
    writer.text("type", envelope.type);
    if (envelope.time) writer.time("time", *envelope.time);
    writer.text_unless_empty("traceparent", envelope.traceparent);
}

void write_tags(JsonWriter& writer, const SellerPart& part) {
    writer.text_unless_empty("region", part.region);
    if (part.tags.empty()) return;
    writer.begin_array("tags");
    for (const auto& tag : part.tags) writer.text(tag);
    writer.end_array();
}

void write_lines(JsonWriter& writer, const SellerPart& part) {
    writer.begin_array("lines");
    for (const auto& line : part.lines) {
        writer.begin_object();
        writer.id("line_id", line.line_id);
        writer.id("sku", line.sku);
        writer.text_unless_empty("category", line.category);
        writer.integer("quantity", line.quantity);
        writer.integer("unit_price_minor", line.unit_price_minor);
        if (!line.allocations.empty()) {
            writer.begin_array("allocations");
            for (const auto& allocation : line.allocations) {
                writer.begin_object();
                writer.id("warehouse", allocation.warehouse);
                writer.integer("quantity", allocation.quantity);
                writer.end_object();
            }
            writer.end_array();
        }
        writer.end_object();
    }
    writer.end_array();
}

void write_lines(JsonWriter& writer, const message::SellerCancellation& cancellation) {
    writer.begin_array("lines");
    for (const auto& line : cancellation.lines) {
        writer.begin_object();
        writer.id("line_id", line.line_id);
        writer.id("sku", line.sku);
        writer.integer("quantity", line.quantity);
        writer.end_object();
    }
    writer.end_array();
}

std::string encode_data(const message::Payload& payload) {
    return std::visit(
        [](const auto& content) {
            JsonWriter writer(objects_in(content) * object_bytes);
            writer.begin_object();
            write(writer, content);
            writer.end_object();
            return writer.take();
        },
        payload);
}

std::string encode_event(const message::Envelope& envelope, std::string_view data) {
    JsonWriter writer(envelope_bytes + data.size());
    begin_event(writer, envelope);
    writer.raw("data", data);
    writer.end_object();
    return writer.take();
}

std::string encode_event(const message::Envelope& envelope, const message::Payload& payload) {
    return std::visit(
        [&](const auto& content) {
            JsonWriter writer(envelope_bytes + objects_in(content) * object_bytes);
            begin_event(writer, envelope);
            writer.begin_object("data");
            write(writer, content);
            writer.end_object();
            writer.end_object();
            return writer.take();
        },
        payload);
}

std::string encode_batch(std::span<const std::string_view> events) {
    std::size_t bytes = 2;
    for (const auto event : events) bytes += event.size() + 1;
    std::string batch;
    batch.reserve(bytes);
    batch += '[';
    for (const auto event : events) {
        if (batch.size() > 1) batch += ',';
        batch += event;
    }
    batch += ']';
    return batch;
}

}  // namespace cartwright::codec
