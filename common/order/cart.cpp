#include "common/order/cart.hpp"

namespace cartwright {

std::int64_t total_minor(const SellerPart& part) {
    std::int64_t total = 0;
    for (const auto& line : part.lines) total += line.quantity * line.unit_price_minor;
    return total;
}

std::int64_t total_minor(const Order& order) {
    std::int64_t total = 0;
    for (const auto& part : order.sellers) total += total_minor(part);
    return total;
}

}  // namespace cartwright
