// The messages of the fleet as C++ values: CloudEvents with a typed payload. Their JSON is in common/codec,
// their JSON Schemas in common/message/schema/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/order/cart.hpp"

namespace cartwright::message {

/// CloudEvents 1.0 attributes that the fleet uses.
struct Envelope {
    EventId id;
    std::string type;    ///< e.g. "cartwright.cart.submitted.v1"
    std::string source;  ///< a URI reference: who says it
    std::optional<Timestamp> time;
    std::string traceparent;  ///< W3C Trace Context; empty when not given
};

namespace type {
inline constexpr std::string_view cart_submitted = "cartwright.cart.submitted.v1";
inline constexpr std::string_view stock_moved = "cartwright.stock.moved.v1";
inline constexpr std::string_view order_cancellation = "cartwright.order.cancellation.v1";
inline constexpr std::string_view catalogue_changed = "cartwright.catalogue.changed.v1";
inline constexpr std::string_view order_ready = "cartwright.order.ready.v1";
inline constexpr std::string_view order_reserved = "cartwright.order.reserved.v1";
inline constexpr std::string_view order_pending = "cartwright.order.pending.v1";
inline constexpr std::string_view order_rejected = "cartwright.order.rejected.v1";
inline constexpr std::string_view order_cancelled = "cartwright.order.cancelled.v1";
inline constexpr std::string_view stock_changed = "cartwright.stock.changed.v1";
inline constexpr std::string_view stock_fill = "cartwright.stock.fill.v1";
inline constexpr std::string_view stock_shortfall = "cartwright.stock.shortfall.v1";
inline constexpr std::string_view stock_applied = "cartwright.stock.applied.v1";
inline constexpr std::string_view message_parked = "cartwright.message.parked.v1";
inline constexpr std::string_view seller_order = "cartwright.seller.order.v1";
inline constexpr std::string_view seller_cancellation = "cartwright.seller.cancellation.v1";
inline constexpr std::string_view seller_voided = "cartwright.seller.voided.v1";
}  // namespace type

struct CartSubmitted {
    Cart cart;
};

enum class MovementKind { receipt, count, adjustment, dispatch, release, restock };

/// One change of stock. `restock` is "return" on the wire.
struct Movement {
    MovementKind kind = MovementKind::receipt;
    SellerId seller_id;
    Sku sku;                ///< may be empty for dispatch, release, return: the reservation knows it
    WarehouseId warehouse;  ///< likewise
    OrderId order_id;       ///< dispatch, release, return
    LineId line_id;         ///< likewise
    std::int64_t quantity = 0;
    Timestamp occurred_at;
    std::string reason;
};

struct StockMoved {
    std::vector<Movement> movements;
};

struct CancelledLine {
    LineId line_id;
    std::int64_t quantity = 0;
};

struct OrderCancellation {
    OrderId order_id;
    std::string reason;
    std::string requested_by;
    std::vector<CancelledLine> lines;  ///< empty: the whole order
};

struct CatalogueChanged {
    std::vector<Sku> skus;
    std::vector<SellerId> sellers;
};

/// order.ready, order.reserved or order.pending, by the envelope's type.
struct OrderPlaced {
    Order order;
};

struct OrderRejected {
    OrderId order_id;
    std::vector<Rejection> reasons;
};

struct SellerCancellation {
    SellerId seller_id;
    struct Line {
        LineId line_id;
        Sku sku;
        std::int64_t quantity = 0;
        bool operator==(const Line&) const = default;
    };
    std::vector<Line> lines;
    bool operator==(const SellerCancellation&) const = default;
};

struct OrderCancelled {
    OrderId order_id;
    std::string reason;
    bool whole = true;
    std::vector<SellerCancellation> sellers;
};

/// A position after a change. available = on_hand - reserved.
struct StockChanged {
    PositionKey position;
    std::int64_t on_hand = 0;
    std::int64_t reserved = 0;
    std::int64_t shortfall = 0;
    std::int64_t version = 0;
};

/// "Stock of these has risen": a doorbell for the filling of held carts.
struct StockFill {
    std::vector<OfferKey> positions;
};

/// Physical stock is lower than what is promised.
struct StockShortfall {
    PositionKey position;
    std::int64_t shortfall = 0;
    std::int64_t version = 0;
    std::vector<OrderId> orders;  ///< newest first: those whose units are missing
};

struct MovementResult {
    std::size_t index = 0;
    bool applied = true;
    std::string code;  ///< why not, when not applied
    std::string detail;
};

/// The answer to a StockMoved.
struct StockApplied {
    EventId event_id;
    std::vector<MovementResult> results;
};

/// The answer to a message that was parked.
struct MessageParked {
    std::string reason;
    std::string detail;
};

/// A numbered message to a seller, as the router needs it: its place in its stream. The rest is for the
/// seller.
struct SellerMessage {
    SellerId seller_id;
    StreamName stream;
    std::int64_t number = 0;
};

using Payload = std::variant<CartSubmitted, StockMoved, OrderCancellation, CatalogueChanged, OrderPlaced,
                             OrderRejected, OrderCancelled, StockChanged, StockFill, StockShortfall,
                             StockApplied, MessageParked, SellerMessage>;

struct Event {
    Envelope envelope;
    Payload payload;
};

}  // namespace cartwright::message
