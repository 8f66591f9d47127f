// Orders as they are stored, for repeats: the same answer again, or the state that the order has moved on to.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/codec/decode.hpp"
#include "common/message/event.hpp"
#include "common/postgres/session.hpp"
#include "workers/reserver/telling.hpp"

namespace cartwright::reserver {

struct StoredOrder {
    OrderState state;
    std::string hash;  ///< of the canonical cart, in hex; empty while only its cancellation is known
};

/// Reads orders without a lock.
std::map<OrderId, StoredOrder> read_orders(postgres::Transaction& transaction,
                                           const std::set<OrderId>& order_ids);

/// The order that a stored answer tells; nothing for a rejected or cancelled one.
std::optional<Order> order_of(codec::Decoder& decoder, const OrderState& stored);

/// Announces the present state of offers' positions again.
void ring_positions(postgres::Transaction& transaction, const std::set<OfferKey>& offers, Telling& telling);

/// The offers of an order's lines.
void add_offers(const Order& order, std::set<OfferKey>& offers);

}  // namespace cartwright::reserver
