// Streams of numbered messages to sellers, and where they go.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "common/order/cart.hpp"

namespace cartwright::routing {

/// The numbered thing: messages of one stream have numbers 1..n and arrive in that order.
struct StreamKey {
    SellerId seller_id;
    StreamName stream;
    auto operator<=>(const StreamKey&) const = default;
};

/// Which of `queues` shared queues a seller's messages stand in: FNV-1a of the seller's id
/// (http://www.isthe.com/chongo/tech/comp/fnv/), so that it never changes while their number stays.
std::size_t shared_queue_of(const SellerId& seller_id, std::size_t queues);

}  // namespace cartwright::routing

template <>
struct std::hash<cartwright::routing::StreamKey> {
    std::size_t operator()(const cartwright::routing::StreamKey& key) const {
        return cartwright::hash_of(key.seller_id, key.stream);
    }
};

namespace cartwright::routing {

template <class Value>
using ByStream = std::unordered_map<StreamKey, Value>;

}  // namespace cartwright::routing
