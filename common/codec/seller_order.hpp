// A message to a seller as routing rules see it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace cartwright::codec {

struct RoutedOrder {
    std::string seller, stream, region, channel, currency;
    std::vector<std::string> tags, skus, categories, warehouses;
    std::int64_t value_minor = 0;
};

/// Reads a cartwright.seller.order.v1 event; what is wrong with it where it is none.
std::variant<RoutedOrder, std::string> read_routed_order(const std::string& json);

}  // namespace cartwright::codec
