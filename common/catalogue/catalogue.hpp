// The vendor catalogue (MariaDB) behind a bounded cache: who sells what at which price, and from where.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/catalogue/settings.hpp"
#include "common/order/id.hpp"

namespace cartwright::catalogue {

struct Offer {
    SellerId seller_id;
    Sku sku;
    std::int64_t price_minor = 0;
    std::string currency;
    bool active = false;         ///< the offer
    bool seller_active = false;  ///< its seller
    std::string region;
    std::vector<std::string> tags;
    std::string category;
    std::int64_t version = 0;

    bool operator==(const Offer&) const = default;
};

/// All offers of one SKU, ascending by seller id; empty where the SKU is unknown. Never null.
using Offers = std::shared_ptr<const std::vector<Offer>>;

/// A seller's named warehouses, lowest (priority, name) first. Never null.
using Warehouses = std::shared_ptr<const std::vector<WarehouseId>>;

struct Statistics {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t queries = 0;
    std::uint64_t evictions = 0;  ///< entries that left for lack of room
    std::size_t entries = 0;      ///< SKUs and sellers now in the cache
};

/// Any thread. Reads share one connection and wait for each other; what the cache holds is answered without
/// waiting. Reads throw outcome::Retry (deadlock), outcome::Unavailable (the server is away, busy or
/// read-only; the next call connects again) or outcome::Refused (anything else the server says).
class Catalogue {
  public:
    /// Connects with the first read. Throws outcome::StartupError for a URL that is none.
    explicit Catalogue(const Settings& settings);
    ~Catalogue();
    Catalogue(const Catalogue&) = delete;
    Catalogue& operator=(const Catalogue&) = delete;

    /// One entry for each different SKU asked for, from the cache where it is young enough.
    std::unordered_map<Sku, Offers> offers(std::span<const Sku> skus);

    /// The same, read now; refills the cache.
    std::unordered_map<Sku, Offers> fresh_offers(std::span<const Sku> skus);

    /// One entry for each different seller asked for.
    std::unordered_map<SellerId, Warehouses> warehouses(std::span<const SellerId> sellers);

    /// Forgets the offers of these SKUs, and the offers and warehouses of these sellers. A read that began
    /// before does not bring them back.
    void invalidate(std::span<const Sku> skus, std::span<const SellerId> sellers);

    /// Forgets everything.
    void clear();

    Statistics statistics() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Throws outcome::StartupError unless the catalogue's schema has the version that this program wants,
/// outcome::Unavailable when the server is away.
void check_schema_version(const std::string& url, std::int64_t wanted);

}  // namespace cartwright::catalogue
