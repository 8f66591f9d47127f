// From a cart to an order: who serves each line, what is asked of stock, and what came of it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/catalogue/catalogue.hpp"
#include "common/order/cart.hpp"
#include "common/stock/allocation.hpp"
#include "workers/reserver/taking.hpp"
#include "workers/reserver/telling.hpp"

namespace cartwright::reserver {

/// An order of which it is not decided yet what it gets. demand.lines[i] is order.sellers[places[i].seller]
/// .lines[places[i].line].
struct Placing {
    struct Place {
        std::size_t seller = 0;
        std::size_t line = 0;
    };
    Order order;
    OrderDemand demand;
    std::vector<Place> places;
};

/// `chosen` names the offer that serves each line of the cart.
Placing place(const Cart& cart, std::span<const catalogue::Offer* const> chosen, Timestamp placed_at,
              std::string source);
/// A held order, as its stored answer tells it.
Placing place(Order held, Timestamp now, std::string source);

/// The order's state and answer after a decision; positions of takes are those of `taking`.
OrderState outcome_of(const Placing& placing, const stock::Decision& decision, const Taking& taking);

OrderState rejected(const OrderId& order_id, std::vector<Rejection> reasons);

}  // namespace cartwright::reserver
