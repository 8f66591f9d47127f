// What was read from the catalogue, until it is too old, invalidated or crowded out.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "common/catalogue/catalogue.hpp"
#include "common/catalogue/two_generations.hpp"

namespace cartwright::catalogue {

using Clock = std::chrono::steady_clock;

/// The beginning of a read. What it brings is kept only if nothing it is about was invalidated since.
struct Ticket {
    std::uint64_t epoch = 0;
    Clock::time_point at;
};

/// Which keys were invalidated when, as long as an entry from before may still be young enough to be used.
template <class Key>
class Invalidations {
  public:
    void mark(const Key& key, const Ticket& now) { marks_[key] = now; }
    bool after(const Key& key, std::uint64_t epoch) const {
        const auto found = marks_.find(key);
        return found != marks_.end() && found->second.epoch > epoch;
    }
    void forget_before(Clock::time_point time) {
        std::erase_if(marks_, [time](const auto& mark) { return mark.second.at < time; });
    }
    void clear() { marks_.clear(); }
    std::size_t size() const { return marks_.size(); }

  private:
    std::unordered_map<Key, Ticket> marks_;
};

/// Any thread; no call waits for a server.
class Cache {
  public:
    Cache(std::size_t entries_max, std::chrono::milliseconds age_max);

    Ticket begin(Clock::time_point now);

    /// Adds what is there to `found`; returns each key that is not, once. `counts` is whether hits and misses
    /// are.
    std::vector<Sku> find(std::span<const Sku> skus, std::unordered_map<Sku, Offers>& found,
                          Clock::time_point now, bool counts = true);
    std::vector<SellerId> find(std::span<const SellerId> sellers,
                               std::unordered_map<SellerId, Warehouses>& found, Clock::time_point now,
                               bool counts = true);

    /// Keeps what a read brought, if it may be kept. Returns what is to be answered: the same, but for offers
    /// of which the cache knows a higher version.
    Offers put(const Sku& sku, Offers offers, const Ticket& ticket);
    void put(const SellerId& seller, Warehouses warehouses, const Ticket& ticket);

    void invalidate(std::span<const Sku> skus, std::span<const SellerId> sellers, Clock::time_point now);
    void clear();
    Statistics statistics() const;

  private:
    template <class Value>
    struct Entry {
        Value value;
        Ticket read;
    };

    bool outdated(const Ticket& read, Clock::time_point now) const;
    bool usable(const Sku& sku, const Entry<Offers>& entry, Clock::time_point now) const;
    bool usable(const SellerId& seller, const Entry<Warehouses>& entry, Clock::time_point now) const;
    template <class Key, class Value>
    std::vector<Key> find_in(TwoGenerations<Key, Entry<Value>>& entries, std::span<const Key> keys,
                             std::unordered_map<Key, Value>& found, Clock::time_point now, bool counts);
    void bound_invalidations(Clock::time_point now);
    void clear_locked();

    const std::size_t entries_max_;
    const std::chrono::milliseconds age_max_;
    mutable std::mutex mutex_;
    std::uint64_t epoch_ = 0;
    std::uint64_t cleared_at_ = 0;
    TwoGenerations<Sku, Entry<Offers>> offers_;
    TwoGenerations<SellerId, Entry<Warehouses>> warehouses_;
    Invalidations<Sku> skus_;
    Invalidations<SellerId> sellers_;
    std::size_t invalidations_checked_ = 0;
    std::uint64_t hits_ = 0, misses_ = 0;
};

}  // namespace cartwright::catalogue
