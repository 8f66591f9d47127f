#include "common/catalogue/cache.hpp"

#include <algorithm>
#include <memory>
#include <unordered_set>
#include <utility>

namespace cartwright::catalogue {

namespace {

// Below this many, marks of invalidation are not worth being looked through.
constexpr std::size_t marks_ignored_max = 1024;

// The offers of `read`, but those of which `kept` has a higher version from there; and whether there were
// any.
std::pair<Offers, bool> newest(const Offers& read, const Offers& kept) {
    std::unordered_map<SellerId, const Offer*> by_seller;
    for (const Offer& offer : *kept) by_seller.emplace(offer.seller_id, &offer);
    auto merged = std::make_shared<std::vector<Offer>>(*read);
    bool changed = false;
    for (Offer& offer : *merged) {
        const auto other = by_seller.find(offer.seller_id);
        if (other == by_seller.end() || other->second->version <= offer.version) continue;
        offer = *other->second;
        changed = true;
    }
    return {changed ? Offers(std::move(merged)) : read, changed};
}

}  // namespace

Cache::Cache(std::size_t entries_max, std::chrono::milliseconds age_max)
    : entries_max_(entries_max), age_max_(age_max), offers_(entries_max), warehouses_(entries_max) {}

Ticket Cache::begin(Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    return {epoch_, now};
}

bool Cache::outdated(const Ticket& read, Clock::time_point now) const {
    return read.epoch < cleared_at_ || now - read.at >= age_max_;
}

bool Cache::usable(const Sku& sku, const Entry<Offers>& entry, Clock::time_point now) const {
    if (outdated(entry.read, now) || skus_.after(sku, entry.read.epoch)) return false;
    if (sellers_.size() == 0) return true;
    return std::none_of(entry.value->begin(), entry.value->end(), [&](const Offer& offer) {
        return sellers_.after(offer.seller_id, entry.read.epoch);
    });
}

bool Cache::usable(const SellerId& seller, const Entry<Warehouses>& entry, Clock::time_point now) const {
    return !outdated(entry.read, now) && !sellers_.after(seller, entry.read.epoch);
}

template <class Key, class Value>
std::vector<Key> Cache::find_in(TwoGenerations<Key, Entry<Value>>& entries, std::span<const Key> keys,
                                std::unordered_map<Key, Value>& found, Clock::time_point now, bool counts) {
    std::vector<Key> missing;
    std::unordered_set<Key> missed;
    const std::lock_guard lock(mutex_);
    for (const Key& key : keys) {
        if (found.contains(key) || missed.contains(key)) continue;
        const Entry<Value>* entry = entries.find(key);
        const bool hit = entry != nullptr && usable(key, *entry, now);
        if (hit) {
            found.emplace(key, entry->value);
        } else {
            missing.push_back(key);
            missed.insert(key);
        }
        if (counts) ++(hit ? hits_ : misses_);
    }
    return missing;
}

std::vector<Sku> Cache::find(std::span<const Sku> skus, std::unordered_map<Sku, Offers>& found,
                             Clock::time_point now, bool counts) {
    return find_in(offers_, skus, found, now, counts);
}

std::vector<SellerId> Cache::find(std::span<const SellerId> sellers,
                                  std::unordered_map<SellerId, Warehouses>& found, Clock::time_point now,
                                  bool counts) {
    return find_in(warehouses_, sellers, found, now, counts);
}

Offers Cache::put(const Sku& sku, Offers offers, const Ticket& ticket) {
    const std::lock_guard lock(mutex_);
    Entry<Offers> entry{std::move(offers), ticket};
    if (const Entry<Offers>* present = offers_.find(sku);
        present != nullptr && usable(sku, *present, ticket.at)) {
        // A lagging replica answered, or a read that began earlier comes late. What is kept does not grow
        // younger.
        const auto [merged, changed] = newest(entry.value, present->value);
        entry.value = merged;
        const bool is_later = present->read.at > ticket.at || present->read.epoch > ticket.epoch;
        if (changed && !is_later) entry.read = present->read;
        if (is_later) return entry.value;
    }
    if (!usable(sku, entry, ticket.at)) return entry.value;
    const std::size_t weight = std::max<std::size_t>(entry.value->size(), 1);
    Offers answer = entry.value;
    offers_.put(sku, std::move(entry), weight);
    return answer;
}

void Cache::put(const SellerId& seller, Warehouses warehouses, const Ticket& ticket) {
    const std::lock_guard lock(mutex_);
    const std::size_t weight = std::max<std::size_t>(warehouses->size(), 1);
    Entry<Warehouses> entry{std::move(warehouses), ticket};
    if (usable(seller, entry, ticket.at)) warehouses_.put(seller, std::move(entry), weight);
}

void Cache::invalidate(std::span<const Sku> skus, std::span<const SellerId> sellers, Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    const Ticket mark{++epoch_, now};
    for (const Sku& sku : skus) {
        offers_.erase(sku);
        skus_.mark(sku, mark);
    }
    for (const SellerId& seller : sellers) {
        warehouses_.erase(seller);
        sellers_.mark(seller, mark);
    }
    bound_invalidations(now);
}

// A mark older than the greatest age concerns nothing that could still be used.
void Cache::bound_invalidations(Clock::time_point now) {
    if (skus_.size() + sellers_.size() <= std::max(2 * invalidations_checked_, marks_ignored_max)) return;
    skus_.forget_before(now - age_max_);
    sellers_.forget_before(now - age_max_);
    invalidations_checked_ = skus_.size() + sellers_.size();
    if (invalidations_checked_ > entries_max_) clear_locked();
}

void Cache::clear_locked() {
    cleared_at_ = ++epoch_;
    offers_.clear();
    warehouses_.clear();
    skus_.clear();
    sellers_.clear();
    invalidations_checked_ = 0;
}

void Cache::clear() {
    const std::lock_guard lock(mutex_);
    clear_locked();
}

Statistics Cache::statistics() const {
    const std::lock_guard lock(mutex_);
    Statistics result;
    result.hits = hits_;
    result.misses = misses_;
    result.evictions = offers_.evictions() + warehouses_.evictions();
    result.entries = offers_.size() + warehouses_.size();
    return result;
}

}  // namespace cartwright::catalogue
