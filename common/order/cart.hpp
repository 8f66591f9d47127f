// A cart as it was asked for, and an order as it was reserved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/order/id.hpp"
#include "common/order/time.hpp"

namespace cartwright {

/// What to do with a cart when not all of it is there.
enum class ShortagePolicy {
    all_or_nothing,  ///< reject the cart
    partial,         ///< reserve what is there, unit by unit; nothing at all is a rejection
    hold,            ///< keep the cart waiting, holding no units, until all of it is there
};

struct CartLine {
    LineId line_id;
    Sku sku;
    std::optional<SellerId> seller_id;  ///< absent: the cheapest seller with stock is chosen
    std::int64_t quantity = 0;
    std::optional<std::int64_t> unit_price_minor;  ///< the price that the buyer saw, in minor units
};

struct Cart {
    OrderId order_id;
    std::string channel;
    std::string currency;  ///< ISO 4217
    bool paid = false;
    ShortagePolicy policy = ShortagePolicy::all_or_nothing;
    std::optional<Timestamp> placed_at;
    std::vector<CartLine> lines;
};

/// Units of one line promised from one warehouse.
struct Allocation {
    WarehouseId warehouse;
    std::int64_t quantity = 0;
    bool operator==(const Allocation&) const = default;
};

struct OrderLine {
    LineId line_id;
    Sku sku;
    std::string category;
    std::int64_t quantity = 0;
    std::int64_t unit_price_minor = 0;
    std::vector<Allocation> allocations;  ///< their sum is `quantity`; empty while the order is held
    bool operator==(const OrderLine&) const = default;
};

/// What one seller has to do of an order, with what routing rules may match on.
struct SellerPart {
    SellerId seller_id;
    std::string region;
    std::vector<std::string> tags;
    std::vector<OrderLine> lines;
    bool operator==(const SellerPart&) const = default;
};

/// A line of which fewer units were reserved than asked for (policy `partial`).
struct ShortLine {
    LineId line_id;
    Sku sku;
    SellerId seller_id;
    std::int64_t requested = 0;
    std::int64_t reserved = 0;
    bool operator==(const ShortLine&) const = default;
};

struct Order {
    OrderId order_id;
    std::string channel;
    std::string currency;
    bool paid = false;
    ShortagePolicy policy = ShortagePolicy::all_or_nothing;
    std::optional<Timestamp> placed_at;
    std::vector<SellerPart> sellers;  ///< in order of seller id, each seller once
    std::vector<ShortLine> short_lines;
    bool operator==(const Order&) const = default;
};

/// Sum of quantity × unit price over all lines, in minor units.
std::int64_t total_minor(const SellerPart& part);
std::int64_t total_minor(const Order& order);

/// One reason why a cart, or a line of it, was refused. `code` is one of the constants below.
struct Rejection {
    LineId line_id;  ///< empty when the whole cart is meant
    Sku sku;
    std::string code;
    std::string detail;
    bool operator==(const Rejection&) const = default;
};

namespace rejection {
inline constexpr const char* unknown_sku = "unknown_sku";
inline constexpr const char* seller_mismatch = "seller_mismatch";
inline constexpr const char* seller_suspended = "seller_suspended";
inline constexpr const char* offer_inactive = "offer_inactive";
inline constexpr const char* price_changed = "price_changed";
inline constexpr const char* currency_mismatch = "currency_mismatch";
inline constexpr const char* quantity_invalid = "quantity_invalid";
inline constexpr const char* empty_cart = "empty_cart";
inline constexpr const char* too_many_lines = "too_many_lines";
inline constexpr const char* repeated_line_id = "repeated_line_id";
inline constexpr const char* total_too_large = "total_too_large";
inline constexpr const char* short_stock = "short_stock";
}  // namespace rejection

/// Where a stock position is: units of a SKU of a seller in a warehouse.
struct PositionKey {
    SellerId seller_id;
    Sku sku;
    WarehouseId warehouse;
    auto operator<=>(const PositionKey&) const = default;
};

/// A SKU of a seller, wherever it lies.
struct OfferKey {
    SellerId seller_id;
    Sku sku;
    auto operator<=>(const OfferKey&) const = default;
};

}  // namespace cartwright

template <>
struct std::hash<cartwright::OfferKey> {
    std::size_t operator()(const cartwright::OfferKey& key) const {
        return cartwright::hash_of(key.seller_id, key.sku);
    }
};

template <>
struct std::hash<cartwright::PositionKey> {
    std::size_t operator()(const cartwright::PositionKey& key) const {
        return cartwright::hash_of(key.seller_id, key.sku, key.warehouse);
    }
};
