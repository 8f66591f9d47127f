#include "tests/unit/codec/random_payloads.hpp"

#include <array>
#include <limits>

namespace cartwright::testing {
namespace {

constexpr std::array<std::string_view, 22> pieces{"a",
                                                  "B",
                                                  "7",
                                                  "mug",
                                                  "-",
                                                  "/",
                                                  " ",
                                                  "\"",
                                                  "\\",
                                                  "{",
                                                  "]",
                                                  ",",
                                                  ":",
                                                  "é",
                                                  "ß",
                                                  "€",
                                                  "\xe2\x80\xa8",
                                                  "😀",
                                                  "\\u0041",
                                                  "\xc2\x85",
                                                  "\xef\xbf\xbd",
                                                  "\xf4\x8f\xbf\xbf"};

}  // namespace

std::int64_t RandomPayloads::number() {
    using Limits = std::numeric_limits<std::int64_t>;
    if (plausible()) return number(1, 1'000'000);
    switch (below(5)) {
        case 0:
            return Limits::min();
        case 1:
            return Limits::max();
        case 2:
            return number(-3, 3);
        default:
            return number(Limits::min(), Limits::max());
    }
}

std::string RandomPayloads::id_text() {
    std::string id;
    const std::size_t count = 1 + below(12);
    for (std::size_t i = 0; i < count; ++i) id += pieces[below(pieces.size())];
    return id;
}

std::string RandomPayloads::text() {
    if (below(4) == 0) return {};
    std::string text = id_text();
    if (chance()) text += static_cast<char>(1 + below(0x1f));
    return text + (chance() ? "\x7f" : "");
}

Timestamp RandomPayloads::time() {
    // 1970-01-01 to 2200-12-31, whole seconds now and then.
    const std::chrono::seconds whole{number(0, 7'289'654'399)};
    return Timestamp{whole} + std::chrono::microseconds{chance() ? 0 : number(0, 999'999)};
}

message::Envelope RandomPayloads::envelope(std::string_view type) {
    message::Envelope envelope;
    envelope.id = id<EventId>();
    envelope.type = type;
    envelope.source = id_text();
    if (chance()) envelope.time = time();
    if (chance()) envelope.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    return envelope;
}

Cart RandomPayloads::cart() {
    Cart cart{id<OrderId>(),
              id_text(),
              chance() ? "BRL" : "EUR",
              chance(),
              static_cast<ShortagePolicy>(below(3)),
              {},
              {}};
    if (chance()) cart.placed_at = time();
    const std::size_t count = below(5) + (plausible() ? 1 : 0);
    for (std::size_t i = 0; i < count; ++i) {
        auto& line = cart.lines.emplace_back();
        line.line_id = id<LineId>();
        line.sku = id<Sku>();
        if (chance()) line.seller_id = id<SellerId>();
        line.quantity = chance() || plausible() ? number(plausible() ? 1 : -1'000, 1'000'000) : number();
        if (line.quantity > -1'000 && line.quantity <= 1'000'000 && chance()) {
            line.unit_price_minor = number(0, 100'000'000'000);
        }
    }
    return cart;
}

SellerPart RandomPayloads::part() {
    SellerPart part{id<SellerId>(), text(), {}, {}};
    for (std::size_t i = below(3); i > 0; --i) part.tags.push_back(text());
    for (std::size_t i = below(4); i > 0; --i) {
        OrderLine line{id<LineId>(),
                       id<Sku>(),
                       text(),
                       number(plausible() ? 1 : -5, 1'000'000),
                       number(0, 1'000'000'000),
                       {}};
        for (std::size_t j = below(3); j > 0; --j) line.allocations.push_back({id<WarehouseId>(), number()});
        part.lines.push_back(std::move(line));
    }
    return part;
}

Order RandomPayloads::order() {
    Order order{id<OrderId>(), id_text(), "BRL", chance(), static_cast<ShortagePolicy>(below(3)), {}, {}, {}};
    if (chance()) order.placed_at = time();
    for (std::size_t i = below(4); i > 0; --i) order.sellers.push_back(part());
    for (std::size_t i = below(3); i > 0; --i) {
        order.short_lines.push_back({id<LineId>(), id<Sku>(), id<SellerId>(), number(), number()});
    }
    return order;
}

message::OrderCancelled RandomPayloads::cancelled() {
    message::OrderCancelled cancelled{id<OrderId>(), text(), chance(), {}};
    for (std::size_t i = below(4); i > 0; --i) {
        auto& seller = cancelled.sellers.emplace_back();
        seller.seller_id = id<SellerId>();
        for (std::size_t j = below(4); j > 0; --j)
            seller.lines.push_back({id<LineId>(), id<Sku>(), number()});
    }
    return cancelled;
}

message::Movement RandomPayloads::movement() {
    message::Movement movement;
    movement.kind = static_cast<message::MovementKind>(below(6));
    movement.seller_id = id<SellerId>();
    if (plausible() || chance()) movement.sku = id<Sku>();
    if (plausible() || chance()) movement.warehouse = id<WarehouseId>();
    if (plausible() || chance()) movement.order_id = id<OrderId>();
    if (plausible() || chance()) movement.line_id = id<LineId>();
    movement.quantity = number();
    movement.occurred_at = time();
    movement.reason = plausible() ? id_text() : text();
    return movement;
}

message::StockChanged RandomPayloads::stock_changed() {
    const auto on_hand = number();
    return {position(), on_hand, plausible() ? number(0, on_hand) : number(), number(), number()};
}

std::pair<std::string_view, message::Payload> RandomPayloads::next() {
    namespace type = message::type;
    switch (below(12)) {
        case 0:
            return {type::cart_submitted, message::CartSubmitted{cart()}};
        case 1: {
            message::StockMoved moved;
            for (std::size_t i = below(5); i > 0; --i) moved.movements.push_back(movement());
            return {type::stock_moved, std::move(moved)};
        }
        case 2: {
            message::OrderCancellation cancellation{id<OrderId>(), text(), text(), {}};
            for (std::size_t i = below(4); i > 0; --i) cancellation.lines.push_back({id<LineId>(), number()});
            return {type::order_cancellation, std::move(cancellation)};
        }
        case 3: {
            message::CatalogueChanged changed;
            for (std::size_t i = below(4); i > 0; --i) changed.skus.push_back(id<Sku>());
            for (std::size_t i = below(4); i > 0; --i) changed.sellers.push_back(id<SellerId>());
            return {type::catalogue_changed, std::move(changed)};
        }
        case 4: {
            constexpr std::array types{type::order_ready, type::order_reserved, type::order_pending};
            return {types[below(types.size())], message::OrderPlaced{order()}};
        }
        case 5: {
            message::OrderRejected rejected{id<OrderId>(), {}};
            for (std::size_t i = below(4); i > 0; --i) {
                rejected.reasons.push_back({chance() ? LineId() : id<LineId>(), chance() ? Sku() : id<Sku>(),
                                            rejection::price_changed, text()});
            }
            return {type::order_rejected, std::move(rejected)};
        }
        case 6:
            return {type::order_cancelled, cancelled()};
        case 7:
            return {type::stock_changed, stock_changed()};
        case 8: {
            message::StockFill fill;
            for (std::size_t i = below(4); i > 0; --i) fill.positions.push_back({id<SellerId>(), id<Sku>()});
            return {type::stock_fill, std::move(fill)};
        }
        case 9: {
            message::StockShortfall shortfall{position(), number(), number(), {}};
            for (std::size_t i = below(4); i > 0; --i) shortfall.orders.push_back(id<OrderId>());
            return {type::stock_shortfall, std::move(shortfall)};
        }
        case 10: {
            message::StockApplied applied{id<EventId>(), {}};
            for (std::size_t i = below(4); i > 0; --i)
                applied.results.push_back({below(1'000), chance(), text(), text()});
            return {type::stock_applied, std::move(applied)};
        }
        default:
            return {type::message_parked, message::MessageParked{text(), text()}};
    }
}

}  // namespace cartwright::testing
