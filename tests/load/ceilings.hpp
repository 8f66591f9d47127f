// What the servers alone allow, with nothing around them and one connection each.
#pragma once

#include <cstdint>
#include <string>

#include "tests/load/market.hpp"

namespace cartwright::load {

/// Carts/s of the barest exchange: carts of `cart_bytes` wait in a quorum queue; each is consumed, two
/// messages of `message_bytes` are published to another one with confirms, and only then is it acknowledged.
double broker_ceiling(const std::string& amqp_url, std::uint64_t carts, std::size_t cart_bytes,
                      std::size_t message_bytes);

/// Carts/s of the fleet's own statements on one connection, 100 carts a transaction of each worker, with
/// texts of so many bytes as the fleet stores on average. The market's positions have to be there. It leaves
/// orders, ledger and messages behind as the fleet does.
double sql_ceiling(const std::string& postgres_url, const Mix& mix, std::uint64_t carts,
                   std::size_t answer_bytes, std::size_t message_bytes);

}  // namespace cartwright::load
