#include "workers/reserver/stored_orders.hpp"

#include "common/outcome/trouble.hpp"
#include "workers/reserver/queries.hpp"

namespace cartwright::reserver {

using postgres::Array;

std::map<OrderId, StoredOrder> read_orders(postgres::Transaction& transaction,
                                           const std::set<OrderId>& order_ids) {
    Array ids;
    for (const auto& order_id : order_ids) ids.add(order_id.str());
    const auto rows = transaction.run(query::read_orders, {ids.str()});
    std::map<OrderId, StoredOrder> stored;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        OrderId order_id{std::string(rows.text(i, 0))};
        OrderState state{order_id, std::string(rows.text(i, 1)), std::string(rows.text(i, 3))};
        const auto hash = rows.is_null(i, 2) ? std::string{} : std::string(rows.text(i, 2));
        stored.emplace(std::move(order_id), StoredOrder{std::move(state), hash});
    }
    return stored;
}

std::optional<Order> order_of(codec::Decoder& decoder, const OrderState& stored) {
    if (stored.state != "ready" && stored.state != "reserved" && stored.state != "pending")
        return std::nullopt;
    auto payload = decoder.decode_data("cartwright.order." + stored.state + ".v1", stored.answer);
    auto* read = std::get_if<message::Payload>(&payload);
    CARTWRIGHT_ASSERT(read != nullptr);
    return std::move(std::get<message::OrderPlaced>(*read).order);
}

void ring_positions(postgres::Transaction& transaction, const std::set<OfferKey>& offers, Telling& telling) {
    if (offers.empty()) return;
    Array sellers, skus;
    for (const auto& offer : offers) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
    }
    const auto rows = transaction.run(query::read_positions, {sellers.str(), skus.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const PositionKey key{SellerId(std::string(rows.text(i, 0))), Sku(std::string(rows.text(i, 1))),
                              WarehouseId(std::string(rows.text(i, 2)))};
        telling.position(
            {key, rows.integer(i, 3), rows.integer(i, 4), rows.integer(i, 5), rows.integer(i, 6)});
    }
}

void add_offers(const Order& order, std::set<OfferKey>& offers) {
    for (const auto& part : order.sellers) {
        for (const auto& line : part.lines) offers.insert({part.seller_id, line.sku});
    }
}

}  // namespace cartwright::reserver
