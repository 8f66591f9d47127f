#include "tests/load/market.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>
#include <numeric>
#include <set>

namespace cartwright::load {
namespace {

constexpr std::array<double, 6> share_of_lines{15, 25, 26, 18, 10, 6};  // of carts with 1 to 6
constexpr double same_seller = 0.5;  // another line of a seller of the cart
constexpr double two_units = 0.2;

// Spreads the indexes over all ids, as random ones are, and can be undone: the second is the inverse of the
// first modulo 2^64.
constexpr std::uint64_t spread = 0x9E3779B97F4A7C15ULL;
constexpr std::uint64_t inverse(std::uint64_t odd) {
    std::uint64_t result = odd;
    for (int i = 0; i < 6; ++i) result *= 2 - odd * result;
    return result;
}
static_assert(spread * inverse(spread) == 1);

std::string now() {
    const auto time = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return fmt::format("{:%Y-%m-%dT%H:%M:}{:%S}Z",
                       fmt::gmtime(std::chrono::floor<std::chrono::minutes>(time)), time.time_since_epoch());
}

template <class Random>
double uniform(Random& random) {
    return std::uniform_real_distribution<>(0, 1)(random);
}

}  // namespace

std::string order_id(const Mix& mix, std::uint64_t index) {
    const auto mixed = (index + 1) * spread;
    return fmt::format("{:08x}-{:04x}-{:04x}-8000-{:012x}", mixed >> 32, (mixed >> 16) & 0xffff,
                       mixed & 0xffff, mix.run);
}

std::string sku(std::size_t offer) {
    return fmt::format("SKU-{:07d}", offer);
}

std::string seller(const Mix& mix, std::size_t offer) {
    return fmt::format("seller-{:05d}", offer % mix.sellers);
}

std::optional<std::uint64_t> index_of(const Mix& mix, std::string_view order_id) {
    if (order_id.size() != 36 || order_id.substr(24) != fmt::format("{:012x}", mix.run)) return std::nullopt;
    std::string digits;
    for (const auto part : {order_id.substr(0, 8), order_id.substr(9, 4), order_id.substr(14, 4)})
        digits += part;
    std::uint64_t mixed = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), mixed, 16);
    return mixed * inverse(spread) - 1;
}

Market::Market(const Mix& mix)
    : mix_(mix),
      random_(mix.seed),
      lines_(share_of_lines.begin(), share_of_lines.end()),
      sold_out_(mix.skus, false) {
    double sum = 0;
    for (std::size_t rank = 1; rank <= mix.skus; ++rank) {
        sum += 1 / std::pow(static_cast<double>(rank), mix.zipf_exponent);
        cumulative_.push_back(sum);
    }
    // By multiplication with a number that has no factor in common with theirs: known to whoever fills
    // shelves.
    std::size_t step = 7'919;
    while (std::gcd(step, mix.skus) != 1) ++step;
    for (std::size_t rank = 0; rank < mix.skus; ++rank) offer_of_rank_.push_back(rank * step % mix.skus);
    for (std::size_t rank = 0; rank < std::min(mix.sold_out, mix.skus); ++rank)
        sold_out_[offer_of_rank_[rank]] = true;
}

bool Market::is_sold_out(std::size_t offer) const {
    return sold_out_[offer];
}

std::size_t Market::wanted_offer() {
    const auto at = uniform(random_) * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
    return offer_of_rank_[std::min(static_cast<std::size_t>(found - cumulative_.begin()), mix_.skus - 1)];
}

/// Another offer of the same seller.
std::size_t Market::neighbour_of(std::size_t offer) {
    const auto of_seller = std::max<std::size_t>(1, mix_.skus / mix_.sellers);
    return offer % mix_.sellers + mix_.sellers * (random_() % of_seller);
}

std::vector<std::size_t> Market::offers_of_cart() {
    std::vector<std::size_t> chosen;
    if (mix_.hot) chosen.push_back(0);
    if (uniform(random_) < mix_.four_sellers) {
        std::set<std::size_t> sellers;
        for (const auto offer : chosen) sellers.insert(offer % mix_.sellers);
        while (sellers.size() < 4) {
            const auto offer = wanted_offer();
            if (sellers.insert(offer % mix_.sellers).second) chosen.push_back(offer);
        }
        return chosen;
    }
    const auto wanted = std::clamp(lines_(random_) + 1, chosen.size(), mix_.skus);
    while (chosen.size() < wanted) {
        const bool near = !chosen.empty() && uniform(random_) < same_seller;
        const auto offer = near ? neighbour_of(chosen[random_() % chosen.size()]) : wanted_offer();
        if (std::find(chosen.begin(), chosen.end(), offer) == chosen.end()) chosen.push_back(offer);
    }
    return chosen;
}

Cart Market::next() {
    Cart cart;
    cart.order_id = order_id(mix_, index_++);
    const auto time = now();
    auto out = std::back_inserter(cart.json);
    fmt::format_to(out,
                   R"({{"specversion":"1.0","id":"{0}/submitted","source":"urn:cartwright:load",)"
                   R"("type":"cartwright.cart.submitted.v1","time":"{1}","data":{{"order_id":"{0}",)"
                   R"("channel":"web","currency":"BRL","paid":true,"placed_at":"{1}","lines":[)",
                   cart.order_id, time);
    std::set<std::size_t> sellers;
    for (const auto offer : offers_of_cart()) {
        const Line line{offer, uniform(random_) < two_units ? 2 : 1};
        if (offer % mix_.sellers >= mix_.elsewhere) sellers.insert(offer % mix_.sellers);
        cart.served = cart.served && !is_sold_out(offer);
        fmt::format_to(out, R"({}{{"line_id":"{}","sku":"{}","seller_id":"{}","quantity":{}}})",
                       cart.lines.empty() ? "" : ",", cart.lines.size() + 1, sku(offer), seller(mix_, offer),
                       line.quantity);
        cart.lines.push_back(line);
    }
    cart.json += "]}}";
    cart.messages = cart.served ? sellers.size() : 0;
    return cart;
}

}  // namespace cartwright::load
