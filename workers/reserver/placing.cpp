#include "workers/reserver/placing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/codec/encode.hpp"
#include "workers/reserver/checking.hpp"

namespace cartwright::reserver {
namespace {

/// Fills in what each line got; lines and sellers that got nothing are left out.
Order with_allocations(const Placing& placing, const stock::Decision& decision, const Taking& taking) {
    auto order = placing.order;
    for (auto& part : order.sellers) {
        for (auto& line : part.lines) line.quantity = 0;
    }
    for (const auto& take : decision.takes) {
        const auto& place = placing.places[take.line];
        auto& line = order.sellers[place.seller].lines[place.line];
        line.quantity += take.quantity;
        line.allocations.push_back({taking.position(take.position).warehouse, take.quantity});
    }
    for (const auto index : decision.short_lines) {
        const auto& place = placing.places[index];
        const auto& part = order.sellers[place.seller];
        const auto& line = part.lines[place.line];
        const auto requested = placing.demand.lines[index].quantity;
        order.short_lines.push_back({line.line_id, line.sku, part.seller_id, requested, line.quantity});
    }
    for (auto& part : order.sellers)
        std::erase_if(part.lines, [](const OrderLine& line) { return line.quantity == 0; });
    std::erase_if(order.sellers, [](const SellerPart& part) { return part.lines.empty(); });
    return order;
}

}  // namespace

Placing place(const Cart& cart, std::span<const catalogue::Offer* const> chosen, Timestamp placed_at,
              std::string source) {
    Placing placing;
    placing.order = {cart.order_id, cart.channel, cart.currency, cart.paid, cart.policy, placed_at, {}, {}};
    placing.demand = {cart.order_id, cart.policy, placed_at, std::move(source), {}};
    std::map<SellerId, std::size_t> sellers;
    for (const auto* offer : chosen) sellers.emplace(offer->seller_id, 0);
    for (auto& [seller_id, index] : sellers) {
        index = placing.order.sellers.size();
        placing.order.sellers.push_back({seller_id, {}, {}, {}});
    }
    for (std::size_t i = 0; i < cart.lines.size(); ++i) {
        const auto& line = cart.lines[i];
        const auto& offer = *chosen[i];
        const auto seller = sellers.at(offer.seller_id);
        auto& part = placing.order.sellers[seller];
        part.region = offer.region;
        part.tags = offer.tags;
        placing.places.push_back({seller, part.lines.size()});
        part.lines.push_back(
            {line.line_id, line.sku, offer.category, line.quantity, price_of(cart, line, offer), {}});
        placing.demand.lines.push_back({line.line_id, {offer.seller_id, line.sku}, line.quantity});
    }
    return placing;
}

Placing place(Order held, Timestamp now, std::string source) {
    Placing placing;
    placing.demand = {held.order_id, ShortagePolicy::hold, now, std::move(source), {}};
    for (std::size_t seller = 0; seller < held.sellers.size(); ++seller) {
        const auto& part = held.sellers[seller];
        for (std::size_t line = 0; line < part.lines.size(); ++line) {
            placing.places.push_back({seller, line});
            const auto& wanted = part.lines[line];
            placing.demand.lines.push_back({wanted.line_id, {part.seller_id, wanted.sku}, wanted.quantity});
        }
    }
    placing.order = std::move(held);
    return placing;
}

OrderState rejected(const OrderId& order_id, std::vector<Rejection> reasons) {
    return {order_id, "rejected", codec::encode_data(message::OrderRejected{order_id, std::move(reasons)})};
}

OrderState outcome_of(const Placing& placing, const stock::Decision& decision, const Taking& taking) {
    const auto& order_id = placing.order.order_id;
    if (decision.fate == stock::Fate::held) {
        return {order_id, "pending", codec::encode_data(message::OrderPlaced{placing.order})};
    }
    if (decision.fate == stock::Fate::rejected) {
        std::vector<Rejection> reasons;
        for (const auto index : decision.short_lines) {
            const auto& line = placing.demand.lines[index];
            reasons.push_back(
                {line.line_id, line.offer.sku, rejection::short_stock,
                 fmt::format("seller {} has fewer than {} left", line.offer.seller_id, line.quantity)});
        }
        return rejected(order_id, std::move(reasons));
    }
    auto order = with_allocations(placing, decision, taking);
    return {order_id, order.paid ? "ready" : "reserved",
            codec::encode_data(message::OrderPlaced{std::move(order)})};
}

}  // namespace cartwright::reserver
