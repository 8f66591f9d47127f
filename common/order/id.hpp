// Identifiers are strings with a type of their own, so that a seller can't be passed where an order is meant.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace cartwright {

template <class Tag>
class Id {
  public:
    Id() = default;
    explicit Id(std::string value) : value_(std::move(value)) {}
    const std::string& str() const { return value_; }
    bool empty() const { return value_.empty(); }
    auto operator<=>(const Id&) const = default;

  private:
    std::string value_;
};

using OrderId = Id<struct OrderIdTag>;
using LineId = Id<struct LineIdTag>;
using SellerId = Id<struct SellerIdTag>;
using Sku = Id<struct SkuTag>;
using WarehouseId = Id<struct WarehouseIdTag>;
using EventId = Id<struct EventIdTag>;
using StreamName = Id<struct StreamNameTag>;

/// Identifiers from outside have 1 to this many bytes and no control characters.
inline constexpr std::size_t id_bytes_max = 200;

/// True when the text can be an identifier.
inline bool is_valid_id(std::string_view text) {
    if (text.empty() || text.size() > id_bytes_max) return false;
    for (const unsigned char c : text) {
        if (c < 0x20 || c == 0x7f) return false;
    }
    return true;
}

}  // namespace cartwright

template <class Tag>
struct std::hash<cartwright::Id<Tag>> {
    // Not noexcept, nor are those of keys: libstdc++ then keeps every entry's hash, and compares few texts.
    std::size_t operator()(const cartwright::Id<Tag>& id) const { return std::hash<std::string>{}(id.str()); }
};

namespace cartwright {

/// Of several identifiers in this order.
template <class... Ids>
std::size_t hash_of(const Ids&... ids) {
    std::size_t hash = 0;
    ((hash = hash * 1'000'003 ^ std::hash<Ids>{}(ids)), ...);
    return hash;
}

}  // namespace cartwright

template <class Tag>
struct fmt::formatter<cartwright::Id<Tag>> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const cartwright::Id<Tag>& id, Context& context) const {
        return fmt::formatter<std::string_view>::format(id.str(), context);
    }
};
