// What the reserver remembers of positions that have plenty, so that carts do not read them each time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "common/catalogue/two_generations.hpp"
#include "common/order/cart.hpp"

namespace cartwright::reserver {

/// A position as it was last seen under its lock.
struct KnownPosition {
    WarehouseId warehouse;
    std::int64_t on_hand = 0, reserved = 0, shortfall = 0, version = 0;
};

/// Offers that lie in one warehouse and had plenty when last seen. A plan may be made on what is remembered,
/// as on anything that was read without a lock: units are taken, and shortage is found, under the locks only.
/// What an entry that is out of date can cost is a transaction that is run again, and for `age_max` a
/// warehouse that would be preferred to a new one. One thread.
class KnownPositions {
  public:
    using Clock = std::chrono::steady_clock;

    struct Settings {
        std::size_t entries_max = 200'000;
        std::chrono::milliseconds age_max{5'000};  ///< zero: nothing is remembered
        std::int64_t spare = 10;  ///< plenty is so many units, and as many as some more such batches take
    };

    explicit KnownPositions(const Settings& settings)
        : entries_(settings.entries_max), age_max_(settings.age_max), spare_(settings.spare) {}

    /// Null where nothing is known that is young enough; valid until the next call.
    const KnownPosition* find(const OfferKey& offer, Clock::time_point now);
    /// The offer's only position after `taken` units left it.
    void note(const OfferKey& offer, const KnownPosition& position, std::int64_t taken,
              Clock::time_point now);
    void forget(const OfferKey& offer) { entries_.erase(offer); }

  private:
    struct Entry {
        KnownPosition position;
        Clock::time_point seen_at;
    };
    catalogue::TwoGenerations<OfferKey, Entry> entries_;
    std::chrono::milliseconds age_max_;
    std::int64_t spare_;
};

}  // namespace cartwright::reserver
