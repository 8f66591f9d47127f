// The splitter's events as work, and its work as events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/routing/split.hpp"
#include "common/worker/handler.hpp"
#include "common/worker/packing.hpp"

namespace cartwright::splitter {

/// A message to a seller with its place and its bytes.
struct Numbered {
    routing::Place place;
    OrderId order_id;  ///< empty when it was read back
    std::string type;
    std::string body;
    std::string rule;  ///< that chose its stream; empty: none
};

/// Points into the member. Nothing when it is none of the splitter's events.
std::optional<routing::Work> work_of(const worker::Member& member);

/// The bytes of a new message under its number. Times are those of the event, so that the same event gives
/// the same bytes.
Numbered numbered(const routing::NewMessage& message, std::int64_t number, const routing::Work& work,
                  const message::Envelope& envelope);

/// As it goes to the router.
worker::EncodedEvent event_of(Numbered message);

}  // namespace cartwright::splitter
