#include "common/catalogue/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <set>

#include "common/catalogue/connection.hpp"

namespace cartwright::catalogue {
namespace {

using Clock = std::chrono::steady_clock;

/// Keys in one IN (…).
constexpr std::size_t keys_per_query = 500;

template <class Value>
struct Entry {
    Value value;
    Clock::time_point read_at;
};

/// A bounded map. When it is full the older half goes.
template <class Key, class Value>
class Cache {
  public:
    explicit Cache(std::size_t entries_max) : half_(std::max<std::size_t>(1, entries_max / 2)) {}

    const Entry<Value>* find(const Key& key) const {
        if (const auto found = young_.find(key); found != young_.end()) return &found->second;
        const auto found = old_.find(key);
        return found == old_.end() ? nullptr : &found->second;
    }

    std::size_t put(const Key& key, Value value) {
        std::size_t evicted = 0;
        old_.erase(key);
        if (young_.size() >= half_ && !young_.contains(key)) {
            evicted = old_.size();
            old_ = std::exchange(young_, {});
        }
        young_.insert_or_assign(key, Entry<Value>{std::move(value), Clock::now()});
        return evicted;
    }

    void erase(const Key& key) {
        young_.erase(key);
        old_.erase(key);
    }

    void erase_if(const std::function<bool(const Value&)>& wanted) {
        for (auto* half : {&young_, &old_}) std::erase_if(*half, [&](const auto& one) { return wanted(one.second.value); });
    }

    void clear() {
        young_.clear();
        old_.clear();
    }

    std::size_t size() const { return young_.size() + old_.size(); }

  private:
    std::size_t half_;
    std::unordered_map<Key, Entry<Value>> young_, old_;
};

std::vector<std::string> tags_of(const std::string& list) {
    std::vector<std::string> tags;
    for (std::size_t begin = 0; begin < list.size();) {
        const auto end = std::min(list.find(',', begin), list.size());
        if (end > begin) tags.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return tags;
}

template <class Key>
std::vector<Key> different(std::span<const Key> keys) {
    std::vector<Key> result(keys.begin(), keys.end());
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

}  // namespace

struct Catalogue::State {
    Settings settings;
    std::mutex query_mutex;  ///< one query at a time; never held together with `mutex` while a query runs
    Connection connection;
    mutable std::mutex mutex;
    Cache<Sku, Offers> offers;
    Cache<SellerId, Warehouses> warehouses;
    std::uint64_t generation = 0;  ///< raised by every invalidation: a read that began before does not fill the cache
    Statistics statistics;

    explicit State(Settings wanted)
        : settings(std::move(wanted)), connection(settings), offers(settings.entries_max), warehouses(settings.entries_max) {}

    template <class Key>
    std::string in_list(std::span<const Key> keys) {
        std::string list;
        for (const auto& key : keys) list += (list.empty() ? "" : ",") + connection.quote(key.str());
        return list;
    }

    std::unordered_map<Sku, Offers> read_offers(std::span<const Sku> skus);
    std::unordered_map<SellerId, Warehouses> read_warehouses(std::span<const SellerId> sellers);

    template <class Key, class Value, class Read>
    std::unordered_map<Key, Value> look_up(std::span<const Key> keys, Cache<Key, Value>& cache, bool fresh, const Read& read);
};

std::unordered_map<Sku, Offers> Catalogue::State::read_offers(std::span<const Sku> skus) {
    std::unordered_map<Sku, std::vector<Offer>> found;
    const auto rows = connection.run(
        "select o.seller_id, o.sku, o.price_minor, o.currency, o.status = 'active', s.status = 'active', s.region, s.tags, "
        "o.category, o.version from offer o join seller s on s.seller_id = o.seller_id where o.sku in (" +
        in_list(skus) + ") order by o.sku, o.seller_id");
    for (const auto& row : rows) {
        Offer offer{SellerId(*row[0]),  Sku(*row[1]),    std::stoll(*row[2]), *row[3], *row[4] == "1",
                    *row[5] == "1",     *row[6],         tags_of(*row[7]),    *row[8], std::stoll(*row[9])};
        found[offer.sku].push_back(std::move(offer));
    }
    std::unordered_map<Sku, Offers> result;
    for (const auto& sku : skus) result.emplace(sku, std::make_shared<const std::vector<Offer>>(std::move(found[sku])));
    return result;
}

std::unordered_map<SellerId, Warehouses> Catalogue::State::read_warehouses(std::span<const SellerId> sellers) {
    std::unordered_map<SellerId, std::vector<WarehouseId>> found;
    const auto rows = connection.run("select seller_id, warehouse from warehouse where seller_id in (" + in_list(sellers) +
                                     ") order by seller_id, priority, warehouse");
    for (const auto& row : rows) found[SellerId(*row[0])].emplace_back(*row[1]);
    std::unordered_map<SellerId, Warehouses> result;
    for (const auto& seller : sellers) {
        result.emplace(seller, std::make_shared<const std::vector<WarehouseId>>(std::move(found[seller])));
    }
    return result;
}

template <class Key, class Value, class Read>
std::unordered_map<Key, Value> Catalogue::State::look_up(std::span<const Key> asked, Cache<Key, Value>& cache, bool fresh,
                                                         const Read& read) {
    const auto keys = different(asked);
    std::unordered_map<Key, Value> result;
    std::vector<Key> missing;
    std::uint64_t begun_at = 0;
    {
        const std::lock_guard lock(mutex);
        begun_at = generation;
        const auto oldest = Clock::now() - settings.age_max;
        for (const auto& key : keys) {
            const auto* entry = fresh ? nullptr : cache.find(key);
            if (entry != nullptr && entry->read_at >= oldest) {
                result.emplace(key, entry->value);
            } else {
                missing.push_back(key);
            }
        }
        statistics.hits += result.size();
        statistics.misses += missing.size();
    }
    for (std::size_t begin = 0; begin < missing.size(); begin += keys_per_query) {
        const auto part = std::span(missing).subspan(begin, std::min(keys_per_query, missing.size() - begin));
        auto values = [&] {
            const std::lock_guard querying(query_mutex);
            return read(part);
        }();
        const std::lock_guard lock(mutex);
        ++statistics.queries;
        for (auto& [key, value] : values) {
            if (generation == begun_at) statistics.evictions += cache.put(key, value);
            result.emplace(key, std::move(value));
        }
    }
    return result;
}

Catalogue::Catalogue(Settings settings) : state_(std::make_unique<State>(std::move(settings))) {}

Catalogue::~Catalogue() = default;

std::unordered_map<Sku, Offers> Catalogue::offers(std::span<const Sku> skus) {
    return state_->look_up<Sku, Offers>(skus, state_->offers, false, [&](auto part) { return state_->read_offers(part); });
}

std::unordered_map<Sku, Offers> Catalogue::fresh_offers(std::span<const Sku> skus) {
    return state_->look_up<Sku, Offers>(skus, state_->offers, true, [&](auto part) { return state_->read_offers(part); });
}

std::unordered_map<SellerId, Warehouses> Catalogue::warehouses(std::span<const SellerId> sellers) {
    return state_->look_up<SellerId, Warehouses>(sellers, state_->warehouses, false,
                                                 [&](auto part) { return state_->read_warehouses(part); });
}

void Catalogue::invalidate(std::span<const Sku> skus, std::span<const SellerId> sellers) {
    const std::lock_guard lock(state_->mutex);
    ++state_->generation;
    for (const auto& sku : skus) state_->offers.erase(sku);
    if (sellers.empty()) return;
    const std::set<SellerId> gone(sellers.begin(), sellers.end());
    for (const auto& seller : gone) state_->warehouses.erase(seller);
    state_->offers.erase_if([&](const Offers& offers) {
        return std::any_of(offers->begin(), offers->end(), [&](const Offer& offer) { return gone.contains(offer.seller_id); });
    });
}

void Catalogue::clear() {
    const std::lock_guard lock(state_->mutex);
    ++state_->generation;
    state_->offers.clear();
    state_->warehouses.clear();
}

Statistics Catalogue::statistics() const {
    const std::lock_guard lock(state_->mutex);
    auto statistics = state_->statistics;
    statistics.entries = state_->offers.size() + state_->warehouses.size();
    return statistics;
}

}  // namespace cartwright::catalogue
