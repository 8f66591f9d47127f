// What is numbered, voided or said again of a batch of orders and cancellations. Pure: claims and what was
// stored come in, decisions go out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/message/event.hpp"
#include "common/routing/rules.hpp"
#include "common/routing/stream.hpp"

namespace cartwright::routing {

/// A message's place: which stream, which number.
struct Place {
    StreamKey stream;
    std::int64_t number = 0;
    auto operator<=>(const Place&) const = default;
};

/// What became of a claim: the places of its messages, or void: nothing is numbered for it, ever.
struct Answer {
    bool is_void = false;
    std::vector<Place> places;
    bool operator==(const Answer&) const = default;
};

/// As it is stored. Identifiers hold no control characters, so that tabs and line feeds can separate.
std::string to_text(const Answer& answer);
Answer answer_from(std::string_view text);

enum class WorkKind { ready, cancelled_whole, cancelled_lines };

/// One member of a batch.
struct Work {
    WorkKind kind = WorkKind::ready;
    OrderId order_id;
    EventId event_id;              ///< of a partial cancellation
    const Order* order = nullptr;  ///< ready
    const message::OrderCancelled* cancelled = nullptr;
};

/// A claim: (order id, item) as it stands in the inbox.
struct ClaimKey {
    OrderId order_id;
    std::string item;
    auto operator<=>(const ClaimKey&) const = default;
};

inline constexpr const char* ready_item = "split/ready";
ClaimKey ready_claim(const OrderId& order_id);
/// The claim of the work itself. A whole cancellation also tries to claim `ready`: who wins decides whether
/// the seller hears of the order at all.
ClaimKey claim_of(const Work& work);
/// Every claim that a batch tries for.
std::set<ClaimKey> claims_of(std::span<const Work> batch);

/// A message that gets a number.
struct NewMessage {
    std::size_t work = 0;    ///< index into the batch
    std::size_t seller = 0;  ///< index into the order's, or the cancellation's, sellers
    StreamKey stream;
    ClaimKey claim;      ///< whose answer its place belongs to
    std::string rule{};  ///< that chose the stream; empty: none did, or it was chosen earlier
};

struct Split {
    std::vector<NewMessage> messages;  ///< in the order in which they are numbered
    std::set<ClaimKey> voided;         ///< claims that are answered with void
    std::set<Place> repeats;           ///< stored messages that are published again
    std::vector<std::size_t> later;    ///< indices of partial cancellations whose order is not split yet
    std::set<ClaimKey> given_up;       ///< their claims
};

/// `won`: claims that this transaction makes, which are new. `stored`: answers of claims that were there
/// before (a claim without an answer is a bug of whoever committed it). `rules` choose the streams of new
/// orders.
Split split(std::span<const Work> batch, const std::set<ClaimKey>& won,
            const std::map<ClaimKey, Answer>& stored, const Rules& rules);

}  // namespace cartwright::routing
