#include "common/routing/stream.hpp"

namespace cartwright::routing {

std::size_t shared_queue_of(const SellerId& seller_id, std::size_t queues) {
    std::uint64_t hash = 14'695'981'039'346'656'037U;
    for (const unsigned char c : seller_id.str()) hash = (hash ^ c) * 1'099'511'628'211U;
    return static_cast<std::size_t>(hash % queues);
}

}  // namespace cartwright::routing
