#include "common/codec/payloads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace cartwright::codec {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
namespace type = message::type;

constexpr std::size_t tags_max = 100;
/// Money in minor units stays far from where a sum over a whole cart would overflow.
constexpr std::int64_t price_minor_max = 10'000'000'000;

/// Calls `read(item fields)` for each object of an array.
template <class Read>
void each(const array& items, const Path& path, const Read& read) {
    std::size_t index = 0;
    for (const auto item : items) {
        const Path at{&path, {}, index++};
        read(Fields(item, at));
    }
}

template <class Enum, std::size_t size>
Enum choice(const Fields& fields, std::string_view name, const std::string& text,
            const std::array<std::pair<std::string_view, Enum>, size>& words) {
    for (const auto& [word, value] : words) {
        if (word == text) return value;
    }
    complain(fields.at(name), fmt::format("\"{}\" is none of the words it may be", text));
}

constexpr std::array<std::pair<std::string_view, ShortagePolicy>, 3> policies{
    {{"all_or_nothing", ShortagePolicy::all_or_nothing}, {"partial", ShortagePolicy::partial}, {"hold", ShortagePolicy::hold}}};

constexpr std::array<std::pair<std::string_view, message::MovementKind>, 6> movement_kinds{
    {{"receipt", message::MovementKind::receipt},
     {"count", message::MovementKind::count},
     {"adjustment", message::MovementKind::adjustment},
     {"dispatch", message::MovementKind::dispatch},
     {"release", message::MovementKind::release},
     {"return", message::MovementKind::restock}}};

std::string currency(const Fields& fields) {
    auto text = fields.text("currency");
    const bool good = text.size() == 3 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!good) complain(fields.at("currency"), "expected three capital letters, as ISO 4217 has them");
    return text;
}

std::int64_t price(const Fields& fields, std::int64_t value) {
    if (value < 0 || value > price_minor_max) {
        complain(fields.at("unit_price_minor"), fmt::format("expected 0 to {}", price_minor_max));
    }
    return value;
}

std::vector<std::string> texts(const Fields& fields, std::string_view name) {
    std::vector<std::string> result;
    const auto items = fields.array_if(name, tags_max);
    if (!items) return result;
    const auto path = fields.at(name);
    std::size_t index = 0;
    for (const auto item : *items) result.push_back(text_of(item, Path{&path, {}, index++}));
    return result;
}

message::Payload cart_submitted(const Fields& data, const Limits& limits) {
    Cart cart;
    cart.order_id = OrderId(data.id("order_id"));
    cart.channel = data.id("channel");
    cart.currency = currency(data);
    cart.paid = data.boolean_or("paid", false);
    cart.policy = choice(data, "policy", data.text_or("policy", "all_or_nothing"), policies);
    cart.placed_at = data.time_if("placed_at");
    each(data.array("lines", limits.lines_decoded_max), data.at("lines"), [&](const Fields& fields) {
        auto& line = cart.lines.emplace_back();
        line.line_id = LineId(fields.id("line_id"));
        line.sku = Sku(fields.id("sku"));
        if (auto seller = fields.id_if("seller_id")) line.seller_id = SellerId(std::move(*seller));
        line.quantity = fields.integer("quantity");
        if (const auto minor = fields.integer_if("unit_price_minor")) line.unit_price_minor = price(fields, *minor);
    });
    return message::CartSubmitted{std::move(cart)};
}

message::Payload stock_moved(const Fields& data, const Limits& limits) {
    message::StockMoved moved;
    each(data.array("movements", limits.movements_max), data.at("movements"), [&](const Fields& fields) {
        auto& movement = moved.movements.emplace_back();
        movement.kind = choice(fields, "kind", fields.text("kind"), movement_kinds);
        movement.seller_id = SellerId(fields.id("seller_id"));
        movement.sku = Sku(fields.id_if("sku").value_or(""));
        movement.warehouse = WarehouseId(fields.id_if("warehouse").value_or(""));
        movement.order_id = OrderId(fields.id_if("order_id").value_or(""));
        movement.line_id = LineId(fields.id_if("line_id").value_or(""));
        movement.quantity = fields.integer("quantity");
        movement.occurred_at = fields.time("occurred_at");
        movement.reason = fields.text_or("reason", "");
    });
    return moved;
}

message::Payload order_cancellation(const Fields& data, const Limits& limits) {
    message::OrderCancellation cancellation;
    cancellation.order_id = OrderId(data.id("order_id"));
    cancellation.reason = data.text_or("reason", "");
    cancellation.requested_by = data.text_or("requested_by", "");
    const auto lines = data.array_if("lines", limits.lines_decoded_max);
    if (!lines) return cancellation;
    if (lines->size() == 0) complain(data.at("lines"), "leave it out to cancel the whole order");
    each(*lines, data.at("lines"), [&](const Fields& fields) {
        cancellation.lines.push_back({LineId(fields.id("line_id")), fields.integer("quantity")});
    });
    return cancellation;
}

message::Payload catalogue_changed(const Fields& data, const Limits& limits) {
    message::CatalogueChanged changed;
    const auto read = [&](const char* name, const auto& add) {
        const auto items = data.array_if(name, limits.lines_decoded_max);
        if (!items) return;
        const auto path = data.at(name);
        std::size_t index = 0;
        for (const auto item : *items) add(id_of(item, Path{&path, {}, index++}));
    };
    read("skus", [&](std::string id) { changed.skus.emplace_back(std::move(id)); });
    read("sellers", [&](std::string id) { changed.sellers.emplace_back(std::move(id)); });
    return changed;
}

OrderLine order_line(const Fields& fields, const Limits& limits) {
    OrderLine line;
    line.line_id = LineId(fields.id("line_id"));
    line.sku = Sku(fields.id("sku"));
    line.category = fields.text_or("category", "");
    line.quantity = fields.integer("quantity");
    line.unit_price_minor = price(fields, fields.integer("unit_price_minor"));
    if (const auto allocations = fields.array_if("allocations", limits.lines_decoded_max)) {
        each(*allocations, fields.at("allocations"), [&](const Fields& allocation) {
            line.allocations.push_back({WarehouseId(allocation.id("warehouse")), allocation.integer("quantity")});
        });
    }
    return line;
}

message::Payload order_placed(const Fields& data, const Limits& limits) {
    Order order;
    order.order_id = OrderId(data.id("order_id"));
    order.channel = data.id("channel");
    order.currency = currency(data);
    order.paid = data.boolean_or("paid", false);
    order.policy = choice(data, "policy", data.text_or("policy", "all_or_nothing"), policies);
    order.placed_at = data.time_if("placed_at");
    each(data.array("sellers", limits.lines_decoded_max), data.at("sellers"), [&](const Fields& fields) {
        auto& part = order.sellers.emplace_back();
        part.seller_id = SellerId(fields.id("seller_id"));
        part.region = fields.text_or("region", "");
        part.tags = texts(fields, "tags");
        each(fields.array("lines", limits.lines_decoded_max), fields.at("lines"),
             [&](const Fields& line) { part.lines.push_back(order_line(line, limits)); });
    });
    if (const auto shorts = data.array_if("short", limits.lines_decoded_max)) {
        each(*shorts, data.at("short"), [&](const Fields& fields) {
            order.short_lines.push_back({LineId(fields.id("line_id")), Sku(fields.id("sku")),
                                         SellerId(fields.id("seller_id")), fields.integer("requested"),
                                         fields.integer("reserved")});
        });
    }
    return message::OrderPlaced{std::move(order)};
}

message::Payload order_rejected(const Fields& data, const Limits& limits) {
    message::OrderRejected rejected;
    rejected.order_id = OrderId(data.id("order_id"));
    each(data.array("reasons", limits.lines_decoded_max * 4), data.at("reasons"), [&](const Fields& fields) {
        rejected.reasons.push_back({LineId(fields.id_if("line_id").value_or("")), Sku(fields.id_if("sku").value_or("")),
                                    fields.text("code"), fields.text_or("detail", "")});
    });
    return rejected;
}

message::Payload order_cancelled(const Fields& data, const Limits& limits) {
    message::OrderCancelled cancelled;
    cancelled.order_id = OrderId(data.id("order_id"));
    cancelled.reason = data.text_or("reason", "");
    cancelled.whole = data.boolean_or("whole", true);
    each(data.array("sellers", limits.lines_decoded_max), data.at("sellers"), [&](const Fields& fields) {
        auto& part = cancelled.sellers.emplace_back();
        part.seller_id = SellerId(fields.id("seller_id"));
        each(fields.array("lines", limits.lines_decoded_max), fields.at("lines"), [&](const Fields& line) {
            part.lines.push_back({LineId(line.id("line_id")), Sku(line.id("sku")), line.integer("quantity")});
        });
    });
    return cancelled;
}

message::Payload stock_changed(const Fields& data, const Limits&) {
    return message::StockChanged{
        {SellerId(data.id("seller_id")), Sku(data.id("sku")), WarehouseId(data.id("warehouse"))},
        data.integer("on_hand"),
        data.integer("reserved"),
        data.integer("shortfall"),
        data.integer("version")};
}

message::Payload stock_fill(const Fields& data, const Limits& limits) {
    message::StockFill fill;
    each(data.array("positions", limits.lines_decoded_max), data.at("positions"), [&](const Fields& fields) {
        fill.positions.push_back({SellerId(fields.id("seller_id")), Sku(fields.id("sku"))});
    });
    return fill;
}

message::Payload stock_shortfall(const Fields& data, const Limits& limits) {
    message::StockShortfall shortfall;
    shortfall.position = {SellerId(data.id("seller_id")), Sku(data.id("sku")), WarehouseId(data.id("warehouse"))};
    shortfall.shortfall = data.integer("shortfall");
    shortfall.version = data.integer("version");
    const auto path = data.at("orders");
    std::size_t index = 0;
    for (const auto item : data.array("orders", limits.lines_decoded_max)) {
        shortfall.orders.emplace_back(id_of(item, Path{&path, {}, index++}));
    }
    return shortfall;
}

message::Payload stock_applied(const Fields& data, const Limits& limits) {
    message::StockApplied applied;
    applied.event_id = EventId(data.id("event_id"));
    each(data.array("results", limits.movements_max), data.at("results"), [&](const Fields& fields) {
        const auto index = fields.integer("index");
        if (index < 0) complain(fields.at("index"), "expected 0 or more");
        applied.results.push_back({static_cast<std::size_t>(index), fields.text("status") == "applied",
                                   fields.text_or("code", ""), fields.text_or("detail", "")});
    });
    return applied;
}

message::Payload message_parked(const Fields& data, const Limits&) {
    return message::MessageParked{data.text("reason"), data.text_or("detail", "")};
}

using Reader = message::Payload (*)(const Fields&, const Limits&);

constexpr std::array<std::pair<std::string_view, Reader>, 14> readers{{{type::cart_submitted, cart_submitted},
                                                                       {type::order_ready, order_placed},
                                                                       {type::stock_moved, stock_moved},
                                                                       {type::order_cancellation, order_cancellation},
                                                                       {type::order_cancelled, order_cancelled},
                                                                       {type::stock_fill, stock_fill},
                                                                       {type::catalogue_changed, catalogue_changed},
                                                                       {type::order_reserved, order_placed},
                                                                       {type::order_pending, order_placed},
                                                                       {type::order_rejected, order_rejected},
                                                                       {type::stock_changed, stock_changed},
                                                                       {type::stock_shortfall, stock_shortfall},
                                                                       {type::stock_applied, stock_applied},
                                                                       {type::message_parked, message_parked}}};

/// "cartwright.cart.submitted" of "cartwright.cart.submitted.v1"; empty when there is no version.
std::string_view without_version(std::string_view name) {
    const auto dot = name.rfind(".v");
    return dot == std::string_view::npos ? std::string_view{} : name.substr(0, dot);
}

}  // namespace

bool is_known(std::string_view name) {
    if (name == type::seller_order || name == type::seller_cancellation) return true;
    return std::any_of(readers.begin(), readers.end(), [&](const auto& reader) { return reader.first == name; });
}

Problem unreadable(std::string_view name) {
    const auto stem = without_version(name);
    const auto same = [&](const auto& reader) { return !stem.empty() && without_version(reader.first) == stem; };
    if (std::any_of(readers.begin(), readers.end(), same)) {
        return {"unsupported_version", fmt::format("type: {} is of a version that this release does not read", name)};
    }
    return {"unknown_type", fmt::format("type: {} is not known", name)};
}

message::Payload read_payload(std::string_view name, element data, const Path& path, const Limits& limits) {
    const auto reader = std::find_if(readers.begin(), readers.end(), [&](const auto& one) { return one.first == name; });
    return reader->second(Fields(data, path), limits);
}

}  // namespace cartwright::codec
