// Carts of a made-up market: SKUs of many sellers, a few of them wanted by everybody (Zipf's law).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace cartwright::load {

/// Offer `n` is SKU n of seller n % sellers; scripts/lib/bench/market.py fills catalogue and shelves alike.
struct Mix {
    std::size_t skus = 30'000;
    std::size_t sellers = 3'000;
    double zipf_exponent = 0.9;
    bool hot = false;           ///< SKU 0 is in every cart
    std::size_t sold_out = 0;   ///< so many of the most wanted SKUs are not there
    double four_sellers = 0.0;  ///< share of carts of four sellers
    std::size_t elsewhere = 0;  ///< the first so many sellers get theirs elsewhere, not on shared queues
    std::uint64_t seed = 1;
    std::uint32_t run = 1;  ///< part of every order id: what one database saw stays apart
};

struct Line {
    std::size_t offer = 0;
    int quantity = 1;
};

std::string sku(std::size_t offer);
std::string seller(const Mix& mix, std::size_t offer);

struct Cart {
    std::string order_id;
    std::vector<Line> lines;
    std::string json;          ///< cartwright.cart.submitted.v1
    bool served = true;        ///< nothing in it is sold out
    std::size_t messages = 0;  ///< to sellers on shared queues
};

std::string order_id(const Mix& mix, std::uint64_t index);
/// Of an order id of this run; nothing of another's.
std::optional<std::uint64_t> index_of(const Mix& mix, std::string_view order_id);

/// Not for two threads. Carts 0, 1, 2 … are the same for the same mix. On average 3 lines of 2 sellers.
class Market {
  public:
    explicit Market(const Mix& mix);
    Cart next();

  private:
    std::vector<std::size_t> offers_of_cart();
    std::size_t wanted_offer();
    std::size_t neighbour_of(std::size_t offer);
    bool is_sold_out(std::size_t offer) const;

    Mix mix_;
    std::mt19937_64 random_;
    std::discrete_distribution<std::size_t> lines_;
    std::vector<double> cumulative_;
    std::vector<std::size_t> offer_of_rank_;
    std::vector<bool> sold_out_;
    std::uint64_t index_ = 0;
};

}  // namespace cartwright::load
