#include "workers/reserver/known_positions.hpp"

namespace cartwright::reserver {
namespace {

constexpr std::int64_t batches_ahead = 4;

}  // namespace

const KnownPosition* KnownPositions::find(const OfferKey& offer, Clock::time_point now) {
    const auto* entry = entries_.find(offer);
    return entry != nullptr && now - entry->seen_at < age_max_ ? &entry->position : nullptr;
}

void KnownPositions::note(const OfferKey& offer, const KnownPosition& position, std::int64_t taken,
                          Clock::time_point now) {
    if (age_max_.count() > 0 && position.on_hand - position.reserved >= spare_ + batches_ahead * taken) {
        entries_.put(offer, {position, now}, 1);
    } else {
        entries_.erase(offer);
    }
}

}  // namespace cartwright::reserver
