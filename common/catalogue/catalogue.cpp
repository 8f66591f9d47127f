#include "common/catalogue/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <compare>
#include <mutex>
#include <utility>

#include "common/catalogue/cache.hpp"
#include "common/catalogue/connection.hpp"
#include "common/catalogue/queries.hpp"
#include "common/catalogue/tags.hpp"
#include "common/catalogue/trouble.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {

namespace {

constexpr std::size_t ids_per_query_max = 500;

Offer offer_of(const Result& rows, std::size_t row) {
    Offer offer;
    offer.sku = Sku(std::string(rows.text(row, 0)));
    offer.seller_id = SellerId(std::string(rows.text(row, 1)));
    offer.price_minor = rows.integer(row, 2);
    offer.currency = rows.text(row, 3);
    offer.active = rows.integer(row, 4) == 1;
    offer.seller_active = rows.integer(row, 5) == 1;
    offer.region = rows.text(row, 6);
    offer.tags = split_tags(rows.text(row, 7));
    offer.category = rows.text(row, 8);
    offer.version = rows.integer(row, 9);
    return offer;
}

struct RankedWarehouse {
    std::int64_t priority;
    std::string name;
    auto operator<=>(const RankedWarehouse&) const = default;
};

template <class Key>
std::vector<Key> sorted_unique(std::span<const Key> keys) {
    std::vector<Key> result(keys.begin(), keys.end());
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

}  // namespace

struct Catalogue::State {
    explicit State(const Settings& settings)
        : cache(settings.entries_max, settings.age_max), connection(settings, {}) {}

    Cache cache;
    std::atomic<std::uint64_t> queries = 0;
    std::mutex reading;  // taken before the cache's own, never after
    Connection connection;

    template <class Key>
    Result ask(const char* sql, std::span<const Key> keys);
    void read(std::span<const Sku> skus, std::unordered_map<Sku, Offers>& found);
    void read(std::span<const SellerId> sellers, std::unordered_map<SellerId, Warehouses>& found);
    template <class Key, class Value>
    void read_missing(std::span<const Key> keys, std::unordered_map<Key, Value>& found);
    template <class Key, class Value>
    void read_in_chunks(std::span<const Key> keys, std::unordered_map<Key, Value>& found);
};

template <class Key>
Result Catalogue::State::ask(const char* sql, std::span<const Key> keys) {
    if (!connection.connected()) connection.connect();
    std::string list;
    for (const Key& key : keys) list += (list.empty() ? "" : ",") + connection.quote(key.str());
    ++queries;
    return connection.read(fmt::format(fmt::runtime(sql), list));
}

// The server compares ids without trailing spaces; here they count, so rows are matched once more.
void Catalogue::State::read(std::span<const Sku> skus, std::unordered_map<Sku, Offers>& found) {
    const Ticket ticket = cache.begin(Clock::now());
    const Result rows = ask(queries::offers, skus);
    std::unordered_map<Sku, std::vector<Offer>> by_sku;
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        Offer offer = offer_of(rows, row);
        by_sku[offer.sku].push_back(std::move(offer));
    }
    for (const Sku& sku : skus) {
        std::vector<Offer> offers = std::move(by_sku[sku]);
        std::sort(offers.begin(), offers.end(),
                  [](const Offer& a, const Offer& b) { return a.seller_id < b.seller_id; });
        found[sku] = cache.put(sku, std::make_shared<const std::vector<Offer>>(std::move(offers)), ticket);
    }
}

void Catalogue::State::read(std::span<const SellerId> sellers,
                            std::unordered_map<SellerId, Warehouses>& found) {
    const Ticket ticket = cache.begin(Clock::now());
    const Result rows = ask(queries::warehouses, sellers);
    std::unordered_map<SellerId, std::vector<RankedWarehouse>> by_seller;
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        by_seller[SellerId(std::string(rows.text(row, 0)))].push_back(
            {rows.integer(row, 2), std::string(rows.text(row, 1))});
    }
    for (const SellerId& seller : sellers) {
        std::vector<RankedWarehouse>& ranked = by_seller[seller];
        std::sort(ranked.begin(), ranked.end());
        std::vector<WarehouseId> names;
        for (RankedWarehouse& warehouse : ranked) names.emplace_back(std::move(warehouse.name));
        const Warehouses warehouses = std::make_shared<const std::vector<WarehouseId>>(std::move(names));
        cache.put(seller, warehouses, ticket);
        found[seller] = warehouses;
    }
}

template <class Key, class Value>
void Catalogue::State::read_in_chunks(std::span<const Key> keys, std::unordered_map<Key, Value>& found) {
    try {
        for (std::size_t at = 0; at < keys.size(); at += ids_per_query_max) {
            read(keys.subspan(at, std::min(ids_per_query_max, keys.size() - at)), found);
        }
    } catch (const ServerError& error) {
        rethrow(error, Trouble::unavailable);
    }
}

template <class Key, class Value>
void Catalogue::State::read_missing(std::span<const Key> keys, std::unordered_map<Key, Value>& found) {
    std::vector<Key> missing = cache.find(keys, found, Clock::now());
    if (missing.empty()) return;
    const std::lock_guard lock(reading);
    // Whoever had the connection may have read the same.
    missing = cache.find(missing, found, Clock::now(), false);
    read_in_chunks<Key>(missing, found);
}

Catalogue::Catalogue(const Settings& settings) : state_(std::make_unique<State>(settings)) {}
Catalogue::~Catalogue() = default;

std::unordered_map<Sku, Offers> Catalogue::offers(std::span<const Sku> skus) {
    std::unordered_map<Sku, Offers> found;
    state_->read_missing(skus, found);
    return found;
}

std::unordered_map<Sku, Offers> Catalogue::fresh_offers(std::span<const Sku> skus) {
    std::unordered_map<Sku, Offers> found;
    const std::vector<Sku> asked = sorted_unique(skus);
    const std::lock_guard lock(state_->reading);
    state_->read_in_chunks<Sku>(asked, found);
    return found;
}

std::unordered_map<SellerId, Warehouses> Catalogue::warehouses(std::span<const SellerId> sellers) {
    std::unordered_map<SellerId, Warehouses> found;
    state_->read_missing(sellers, found);
    return found;
}

void Catalogue::invalidate(std::span<const Sku> skus, std::span<const SellerId> sellers) {
    state_->cache.invalidate(skus, sellers, Clock::now());
}

void Catalogue::clear() {
    state_->cache.clear();
}

Statistics Catalogue::statistics() const {
    Statistics result = state_->cache.statistics();
    result.queries = state_->queries;
    return result;
}

void check_schema_version(const std::string& url, std::int64_t wanted) {
    Settings settings;
    settings.url = url;
    Connection connection(settings, {});
    std::int64_t found = 0;
    try {
        if (connection.read(queries::has_schema_version).integer(0, 0) > 0) {
            found = connection.read(queries::schema_version).integer(0, 0);
        }
    } catch (const ServerError& error) {
        if (error.trouble != Trouble::misconfigured) rethrow(error, Trouble::unavailable);
        throw outcome::StartupError(fmt::format(
            "{}; check MARIADB_URL and the rights of its user, or run `cartwright migrate`", error.what()));
    }
    if (found == wanted) return;
    throw outcome::StartupError(
        fmt::format("MariaDB has schema version {}, this program wants {}: run `cartwright migrate`{}", found,
                    wanted, found > wanted ? " of this version, or start a newer worker" : ""));
}

}  // namespace cartwright::catalogue
