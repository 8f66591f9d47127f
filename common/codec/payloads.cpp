#include "common/codec/payloads.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "common/codec/wire_names.hpp"

namespace cartwright::codec {
namespace {

using message::Payload;
namespace type = message::type;

constexpr std::size_t no_bound = std::numeric_limits<std::size_t>::max();  ///< but that of the message's size

/// From outside. So many minor units that a whole cart, as the reserver takes them by default (500 lines of
/// 100,000 units), stays within 64 bits, also where the catalogue's prices join in.
constexpr std::int64_t price_minor_max = 100'000'000'000;

/// Adds quantity × price to a total that has to fit, because it is computed again and again later.
class Total {
  public:
    void add(const Fields& line, std::int64_t quantity, std::int64_t price) {
        std::int64_t product = 0;
        if (__builtin_mul_overflow(quantity, price, &product) ||
            __builtin_add_overflow(total_, product, &total_)) {
            line.complain("quantity", "the total of quantity x unit_price_minor does not fit in 64 bits");
        }
    }

  private:
    std::int64_t total_ = 0;
};

bool is_currency(std::string_view text) {
    return text.size() == 3 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// What a cart and an order have in common.
template <class CartOrOrder>
void read_head(const Fields& data, CartOrOrder& into) {
    into.order_id = data.id<OrderId>("order_id");
    into.channel = data.id_text("channel");
    into.currency = data.text("currency");
    if (!data.failed() && !is_currency(into.currency)) {
        data.complain("currency", "expected three capital letters, found " + shown(into.currency));
    }
    if (data.has("paid")) into.paid = data.boolean("paid");
    if (data.has("policy")) into.policy = static_cast<ShortagePolicy>(data.choice("policy", policy_names));
    into.placed_at = data.optional_time("placed_at");
}

Payload read_cart(const Fields& data, const Limits& limits) {
    message::CartSubmitted submitted;
    Cart& cart = submitted.cart;
    read_head(data, cart);
    Total total;
    data.each("lines", limits.lines_decoded_max, [&](const Fields& fields) {
        CartLine& line = cart.lines.emplace_back();
        line.line_id = fields.id<LineId>("line_id");
        line.sku = fields.id<Sku>("sku");
        line.seller_id = fields.optional_id<SellerId>("seller_id");
        line.quantity = fields.integer("quantity");
        if (!fields.has("unit_price_minor")) return;
        line.unit_price_minor = fields.integer_between("unit_price_minor", 0, price_minor_max);
        total.add(fields, line.quantity, *line.unit_price_minor);
    });
    return submitted;
}

Payload read_stock_moved(const Fields& data, const Limits& limits) {
    message::StockMoved moved;
    data.each("movements", limits.movements_max, [&](const Fields& fields) {
        message::Movement& movement = moved.movements.emplace_back();
        movement.kind = static_cast<message::MovementKind>(fields.choice("kind", movement_names));
        movement.seller_id = fields.id<SellerId>("seller_id");
        movement.sku = fields.id_or_empty<Sku>("sku");
        movement.warehouse = fields.id_or_empty<WarehouseId>("warehouse");
        movement.quantity = fields.integer("quantity");
        movement.occurred_at = fields.time("occurred_at");
        movement.reason = fields.text_or_empty("reason");
        movement.order_id = fields.id_or_empty<OrderId>("order_id");
        movement.line_id = fields.id_or_empty<LineId>("line_id");
    });
    return moved;
}

Payload read_cancellation(const Fields& data, const Limits& limits) {
    message::OrderCancellation cancellation;
    cancellation.order_id = data.id<OrderId>("order_id");
    cancellation.reason = data.text_or_empty("reason");
    cancellation.requested_by = data.text_or_empty("requested_by");
    if (!data.has("lines")) return cancellation;
    data.each("lines", limits.lines_decoded_max, [&](const Fields& fields) {
        auto& line = cancellation.lines.emplace_back();
        line.line_id = fields.id<LineId>("line_id");
        line.quantity = fields.integer("quantity");
    });
    // Who lists nothing hardly means everything.
    if (cancellation.lines.empty()) data.complain("lines", "empty; leave it out to cancel the whole order");
    return cancellation;
}

Payload read_catalogue_changed(const Fields& data, const Limits&) {
    return message::CatalogueChanged{data.ids<Sku>("skus"), data.ids<SellerId>("sellers")};
}

void read_order_line(const Fields& fields, OrderLine& line) {
    line.line_id = fields.id<LineId>("line_id");
    line.sku = fields.id<Sku>("sku");
    line.category = fields.text_or_empty("category");
    line.quantity = fields.integer("quantity");
    line.unit_price_minor = fields.integer_from("unit_price_minor", 0);
    fields.each_if_there("allocations", no_bound, [&](const Fields& from) {
        Allocation& allocation = line.allocations.emplace_back();
        allocation.warehouse = from.id<WarehouseId>("warehouse");
        allocation.quantity = from.integer("quantity");
    });
}

Payload read_order_placed(const Fields& data, const Limits&) {
    message::OrderPlaced placed;
    Order& order = placed.order;
    read_head(data, order);
    Total total;
    data.each("sellers", no_bound, [&](const Fields& seller) {
        SellerPart& part = order.sellers.emplace_back();
        part.seller_id = seller.id<SellerId>("seller_id");
        part.region = seller.text_or_empty("region");
        part.tags = seller.texts("tags");
        seller.each("lines", no_bound, [&](const Fields& fields) {
            OrderLine& line = part.lines.emplace_back();
            read_order_line(fields, line);
            total.add(fields, line.quantity, line.unit_price_minor);
        });
    });
    data.each_if_there("short", no_bound, [&](const Fields& fields) {
        ShortLine& line = order.short_lines.emplace_back();
        line.line_id = fields.id<LineId>("line_id");
        line.sku = fields.id<Sku>("sku");
        line.seller_id = fields.id<SellerId>("seller_id");
        line.requested = fields.integer("requested");
        line.reserved = fields.integer("reserved");
    });
    return placed;
}

Payload read_order_rejected(const Fields& data, const Limits&) {
    message::OrderRejected rejected;
    rejected.order_id = data.id<OrderId>("order_id");
    data.each("reasons", no_bound, [&](const Fields& fields) {
        Rejection& reason = rejected.reasons.emplace_back();
        reason.line_id = fields.id_or_empty<LineId>("line_id");
        reason.sku = fields.id_or_empty<Sku>("sku");
        reason.code = fields.text("code");
        reason.detail = fields.text("detail");
    });
    return rejected;
}

Payload read_order_cancelled(const Fields& data, const Limits&) {
    message::OrderCancelled cancelled;
    cancelled.order_id = data.id<OrderId>("order_id");
    cancelled.reason = data.text("reason");
    cancelled.whole = data.boolean("whole");
    data.each("sellers", no_bound, [&](const Fields& fields) {
        auto& seller = cancelled.sellers.emplace_back();
        seller.seller_id = fields.id<SellerId>("seller_id");
        fields.each("lines", no_bound, [&](const Fields& from) {
            auto& line = seller.lines.emplace_back();
            line.line_id = from.id<LineId>("line_id");
            line.sku = from.id<Sku>("sku");
            line.quantity = from.integer("quantity");
        });
    });
    return cancelled;
}

PositionKey read_position(const Fields& data) {
    PositionKey position;
    position.seller_id = data.id<SellerId>("seller_id");
    position.sku = data.id<Sku>("sku");
    position.warehouse = data.id<WarehouseId>("warehouse");
    return position;
}

Payload read_stock_changed(const Fields& data, const Limits&) {
    message::StockChanged changed;
    changed.position = read_position(data);
    changed.on_hand = data.integer("on_hand");
    changed.reserved = data.integer("reserved");
    changed.shortfall = data.integer("shortfall");
    changed.version = data.integer("version");
    return changed;
}

Payload read_stock_fill(const Fields& data, const Limits&) {
    message::StockFill fill;
    data.each("positions", no_bound, [&](const Fields& fields) {
        OfferKey& offer = fill.positions.emplace_back();
        offer.seller_id = fields.id<SellerId>("seller_id");
        offer.sku = fields.id<Sku>("sku");
    });
    return fill;
}

Payload read_stock_shortfall(const Fields& data, const Limits&) {
    message::StockShortfall shortfall;
    shortfall.position = read_position(data);
    shortfall.shortfall = data.integer("shortfall");
    shortfall.version = data.integer("version");
    shortfall.orders = data.ids<OrderId>("orders");
    return shortfall;
}

Payload read_stock_applied(const Fields& data, const Limits&) {
    message::StockApplied applied;
    applied.event_id = data.id<EventId>("event_id");
    data.each("results", no_bound, [&](const Fields& fields) {
        message::MovementResult& result = applied.results.emplace_back();
        result.index = static_cast<std::size_t>(fields.integer_from("index", 0));
        result.applied = fields.choice("status", status_names) == 0;
        result.code = fields.text_or_empty("code");
        result.detail = fields.text_or_empty("detail");
    });
    return applied;
}

Payload read_message_parked(const Fields& data, const Limits&) {
    message::MessageParked parked;
    parked.reason = data.text("reason");
    parked.detail = data.text("detail");
    return parked;
}

constexpr std::array<Kind, 14> kinds{{
    {type::cart_submitted, Origin::outside, read_cart},
    {type::stock_moved, Origin::outside, read_stock_moved},
    {type::order_cancellation, Origin::outside, read_cancellation},
    {type::catalogue_changed, Origin::outside, read_catalogue_changed},
    {type::order_ready, Origin::fleet, read_order_placed},
    {type::order_reserved, Origin::fleet, read_order_placed},
    {type::order_pending, Origin::fleet, read_order_placed},
    {type::order_rejected, Origin::fleet, read_order_rejected},
    {type::order_cancelled, Origin::fleet, read_order_cancelled},
    {type::stock_changed, Origin::fleet, read_stock_changed},
    {type::stock_fill, Origin::fleet, read_stock_fill},
    {type::stock_shortfall, Origin::fleet, read_stock_shortfall},
    {type::stock_applied, Origin::fleet, read_stock_applied},
    {type::message_parked, Origin::fleet, read_message_parked},
}};

/// "cartwright.cart.submitted.v" of "cartwright.cart.submitted.v1"; nothing when it does not end in a number.
std::string_view without_major(std::string_view type) {
    const auto last = type.find_last_not_of("0123456789");
    if (last == std::string_view::npos || last + 1 == type.size() || type[last] != 'v') return {};
    return type.substr(0, last + 1);
}

}  // namespace

const Kind* kind_of(std::string_view type) {
    const auto found =
        std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.type == type; });
    return found == kinds.end() ? nullptr : &*found;
}

bool is_seller_message(std::string_view type) {
    return type == type::seller_order || type == type::seller_cancellation || type == type::seller_voided;
}

message::SellerMessage read_seller_message(const Fields& event) {
    message::SellerMessage seller;
    seller.seller_id = event.id<SellerId>("sellerid");
    seller.stream = event.id<StreamName>("stream");
    seller.number = event.integer_from("number", 1);
    return seller;
}

bool is_other_major(std::string_view type) {
    const auto stem = without_major(type);
    const auto other = [&](std::string_view known) { return known != type && without_major(known) == stem; };
    if (stem.empty()) return false;
    return other(type::seller_order) || other(type::seller_cancellation) || other(type::seller_voided) ||
           std::any_of(kinds.begin(), kinds.end(), [&](const Kind& kind) { return other(kind.type); });
}

}  // namespace cartwright::codec
