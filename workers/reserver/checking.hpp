// Is a cart one that could be reserved? Against the catalogue, naming every bad line at once.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/catalogue/catalogue.hpp"
#include "common/order/cart.hpp"

namespace cartwright::reserver {

using OffersBySku = std::unordered_map<Sku, catalogue::Offers>;

/// What a cart's lines may be served by; one entry a line, in order, or reasons why the cart can't be taken.
struct Checked {
    std::vector<Rejection> reasons;
    /// The offers that may serve a line, cheapest first, then by seller id: one where the line names its
    /// seller.
    std::vector<std::vector<const catalogue::Offer*>> candidates;
};

struct CartLimits {
    std::size_t lines_max = 500;
    std::int64_t quantity_max = 100'000;
};

/// What is wrong with a cart whatever the catalogue says.
std::vector<Rejection> check_shape(const Cart& cart, const CartLimits& limits);

/// A paid cart is not rejected for its price. `offers` has an entry for every SKU of the cart and outlives
/// the result.
Checked check_against(const Cart& cart, const OffersBySku& offers);

/// May this offer still be sold? The code and detail of the reason why not; an empty code when it may.
Rejection unsellable(const catalogue::Offer& offer);

/// The price that a line is sold at: what was paid, else the catalogue's.
std::int64_t price_of(const Cart& cart, const CartLine& line, const catalogue::Offer& offer);

}  // namespace cartwright::reserver
