#include "workers/reserver/movements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/outcome/trouble.hpp"
#include "workers/reserver/cancelling.hpp"
#include "workers/reserver/ledger.hpp"
#include "workers/reserver/queries.hpp"
#include "workers/reserver/stored_orders.hpp"
#include "workers/reserver/telling.hpp"

namespace cartwright::reserver {
namespace {

using message::Movement;
using message::MovementKind;
using postgres::Array;
using postgres::Transaction;

constexpr std::int64_t quantity_max = 1'000'000'000;

bool concerns_order(MovementKind kind) {
    return kind == MovementKind::dispatch || kind == MovementKind::release || kind == MovementKind::restock;
}

/// What is wrong with a movement whatever the stock; an empty code when nothing is.
message::MovementResult check(const Movement& movement, std::size_t index, const Config& config,
                              Timestamp time) {
    const auto refuse = [&](const char* code, std::string detail) {
        return message::MovementResult{index, false, code, std::move(detail)};
    };
    const bool may_be_zero = movement.kind == MovementKind::count;
    const bool may_be_negative = movement.kind == MovementKind::adjustment;
    const auto least = may_be_negative ? -quantity_max : std::int64_t{may_be_zero ? 0 : 1};
    if (movement.quantity < least || movement.quantity > quantity_max ||
        (movement.quantity == 0 && !may_be_zero)) {
        return refuse("quantity_invalid", fmt::format("quantity {}", movement.quantity));
    }
    if (movement.occurred_at > time + config.clock_ahead_max) {
        return refuse("clock_ahead",
                      fmt::format("occurred_at {} lies in the future", to_rfc3339(movement.occurred_at)));
    }
    if (movement.kind == MovementKind::adjustment && movement.reason.empty()) {
        return refuse("reason_missing", "an adjustment needs a reason");
    }
    if (concerns_order(movement.kind)) {
        if (movement.order_id.empty() || movement.line_id.empty())
            return refuse("order_missing", "order_id and line_id are needed");
    } else if (movement.sku.empty() || movement.warehouse.empty()) {
        return refuse("position_missing", "sku and warehouse are needed");
    }
    return {index, true, {}, {}};
}

/// One event of the batch: a message of movements, or a cancellation.
struct Item {
    const worker::Member* member = nullptr;
    const message::StockMoved* moved = nullptr;
    const message::OrderCancellation* cancellation = nullptr;
    std::vector<message::MovementResult> results;  ///< one a movement
    std::vector<bool> claimed;                     ///< one a movement, or one for a cancellation
    std::string later;                             ///< why it has to wait; empty when it has not
    CancellationOutcome cancelled;
};

std::int64_t move(MovementKind kind, stock::Reservation& reservation, std::int64_t units) {
    if (kind == MovementKind::dispatch) return stock::dispatch(reservation, units);
    return kind == MovementKind::release ? stock::release(reservation, units)
                                         : stock::restock(reservation, units);
}

std::string item_key(std::size_t index) {
    return fmt::format("movement/{}", index);
}

/// One run of the transaction.
class Run {
  public:
    Run(Transaction& transaction, std::span<const worker::Member> members, const Config& config,
        codec::Decoder& decoder, catalogue::Catalogue& catalogue)
        : transaction_(transaction),
          config_(config),
          catalogue_(catalogue),
          ledger_(transaction),
          cancelling_(transaction, decoder, ledger_),
          telling_(config) {
        for (const auto& member : members) add(member);
    }

    worker::Result operator()();

  private:
    using Claim = std::pair<std::string, std::string>;

    void add(const worker::Member& member);
    void claim();
    void lock();
    void make_positions(const std::set<OfferKey>& offers);
    void fold(Item& item);
    message::MovementResult fold(const Item& item, const Movement& movement, std::size_t index,
                                 std::string& later);
    message::MovementResult fold_order_movement(const Movement& movement, std::size_t index,
                                                const Cause& cause, std::string& later);
    void give_up_claims();
    void look_for_held();
    outcome::Verdict tell(const Item& item);
    template <class Visit>
    void each_movement(const Visit& visit);
    template <class Visit>
    void each_item_index(const Visit& visit);

    Transaction& transaction_;
    const Config& config_;
    catalogue::Catalogue& catalogue_;
    Ledger ledger_;
    Cancelling cancelling_;
    Telling telling_;
    std::vector<Item> items_;
    std::set<OfferKey> touched_;  ///< also by repeats: they ring again
};

void Run::add(const worker::Member& member) {
    auto& item = items_.emplace_back();
    item.member = &member;
    item.moved = std::get_if<message::StockMoved>(&member.event.payload);
    item.cancellation = std::get_if<message::OrderCancellation>(&member.event.payload);
    const auto time = now();
    if (item.cancellation != nullptr) item.claimed.resize(1);
    if (item.moved == nullptr) return;
    for (std::size_t i = 0; i < item.moved->movements.size(); ++i) {
        item.results.push_back(check(item.moved->movements[i], i, config_, time));
    }
    item.claimed.resize(item.results.size());
}

template <class Visit>
void Run::each_movement(const Visit& visit) {
    for (auto& item : items_) {
        if (item.moved == nullptr) continue;
        for (std::size_t i = 0; i < item.results.size(); ++i) {
            if (item.results[i].applied) visit(item, item.moved->movements[i], i);
        }
    }
}

template <class Visit>
void Run::each_item_index(const Visit& visit) {
    for (auto& item : items_) {
        for (std::size_t i = 0; i < item.claimed.size(); ++i) visit(item, i);
    }
}

void Run::claim() {
    std::map<Claim, std::pair<Item*, std::size_t>> claims;  // the first of equal ones counts
    each_movement([&](Item& item, const Movement&, std::size_t index) {
        claims.try_emplace({item.member->event.envelope.id.str(), item_key(index)}, &item, index);
    });
    for (auto& item : items_) {
        if (item.cancellation != nullptr) {
            claims.try_emplace({item.member->event.envelope.id.str(), "cancellation"}, &item, 0);
        }
    }
    if (claims.empty()) return;
    Array ids, keys;
    for (const auto& [claim, owner] : claims) {
        ids.add(claim.first);
        keys.add(claim.second);
    }
    const auto rows = transaction_.run(query::claim_items, {ids.str(), keys.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& [item, index] = claims.at({std::string(rows.text(i, 0)), std::string(rows.text(i, 1))});
        item->claimed[index] = true;
    }
}

/// Orders, then reservations, then positions: every position of whatever is touched, so that a rise of stock
/// and a cart that comes back short always meet on a row.
void Run::lock() {
    for (auto& item : items_) {
        if (item.cancellation != nullptr) {
            cancelling_.add(item.member->event.envelope.id, *item.cancellation, item.claimed.front());
        }
    }
    cancelling_.lock_orders();
    std::set<LineKey> lines = cancelling_.lines();
    each_movement([&](Item&, const Movement& movement, std::size_t) {
        if (concerns_order(movement.kind))
            lines.insert({movement.seller_id, movement.order_id, movement.line_id});
    });
    ledger_.lock_reservations(lines);
    for (const auto& line : lines) {
        for (const auto* reservation : ledger_.of_line(line))
            touched_.insert({line.seller_id, reservation->second.sku});
    }
    std::set<OfferKey> named;
    each_movement([&](Item&, const Movement& movement, std::size_t) {
        if (!concerns_order(movement.kind)) named.insert({movement.seller_id, movement.sku});
    });
    if (!named.empty()) make_positions(named);
    touched_.merge(cancelling_.let_go_before());
    touched_.insert(named.begin(), named.end());
    ledger_.lock_positions(touched_);
}

/// A position that is named for the first time is made, if the catalogue knows its offer; with the first
/// position of an offer comes one in the default warehouse, on which a cart that found none waits too.
void Run::make_positions(const std::set<OfferKey>& offers) {
    const auto bare = ledger_.without_positions(offers);
    std::vector<Sku> skus;
    for (const auto& offer : bare) skus.push_back(offer.sku);
    std::set<OfferKey> unknown = bare;
    if (!skus.empty()) {
        std::sort(skus.begin(), skus.end());
        for (const auto& [sku, known] : catalogue_.fresh_offers(skus)) {
            for (const auto& offer : *known) unknown.erase({offer.seller_id, sku});
        }
    }
    std::set<PositionKey> wanted;
    each_movement([&](Item& item, const Movement& movement, std::size_t index) {
        if (concerns_order(movement.kind)) return;
        const OfferKey offer{movement.seller_id, movement.sku};
        if (unknown.contains(offer)) {
            item.results[index] = {index, false, rejection::unknown_sku,
                                   fmt::format("seller {} does not sell SKU {}", offer.seller_id, offer.sku)};
            return;
        }
        wanted.insert({offer.seller_id, offer.sku, movement.warehouse});
        if (bare.contains(offer))
            wanted.insert({offer.seller_id, offer.sku, WarehouseId(config_.default_warehouse)});
    });
    ledger_.insert_positions(wanted);
}

void Run::fold(Item& item) {
    if (item.cancellation != nullptr) {
        const auto& envelope = item.member->event.envelope;
        item.cancelled =
            cancelling_.fold(*item.cancellation, envelope.id, envelope.source, item.claimed.front());
        return;
    }
    if (item.moved == nullptr) return;
    for (std::size_t i = 0; i < item.results.size(); ++i) {
        if (!item.results[i].applied || !item.claimed[i]) continue;
        item.results[i] = fold(item, item.moved->movements[i], i, item.later);
    }
}

message::MovementResult Run::fold(const Item& item, const Movement& movement, std::size_t index,
                                  std::string& later) {
    const auto& envelope = item.member->event.envelope;
    const Cause cause{envelope.id.str(), envelope.source, movement.order_id, movement.reason};
    if (concerns_order(movement.kind)) return fold_order_movement(movement, index, cause, later);
    const PositionKey key{movement.seller_id, movement.sku, movement.warehouse};
    if (ledger_.apply(key, {movement.kind, movement.quantity, 0, movement.occurred_at, 0}, cause))
        return {index, true, {}, {}};
    return {index, false, "below_zero",
            fmt::format("there are fewer than {} to take away", -movement.quantity)};
}

/// The reservation moves first, by what is still open, then the position by exactly what moved. A dispatch of
/// more than is open has left all the same: the rest comes off the shelf where the line was promised.
message::MovementResult Run::fold_order_movement(const Movement& movement, std::size_t index,
                                                 const Cause& cause, std::string& later) {
    auto reservations = ledger_.of_line({movement.seller_id, movement.order_id, movement.line_id});
    std::erase_if(reservations, [&](const auto* one) {
        return !movement.warehouse.empty() && one->first.warehouse != movement.warehouse;
    });
    if (reservations.empty()) {
        later = fmt::format("nothing is reserved for line {} of order {} (yet)", movement.line_id,
                            movement.order_id);
        return {index, false, "unknown_line", later};
    }
    std::int64_t open = 0;
    std::int64_t returnable = 0;
    for (const auto* one : reservations) {
        open += one->second.now.open;
        returnable += one->second.now.dispatched - one->second.now.returned;
    }
    if (movement.kind == MovementKind::release && open < movement.quantity) {
        return {index, false, "not_open", fmt::format("{} to release, {} open", movement.quantity, open)};
    }
    if (movement.kind == MovementKind::restock && returnable < movement.quantity) {
        return {index, false, "not_dispatched",
                fmt::format("{} to return, {} out", movement.quantity, returnable)};
    }
    auto left = movement.quantity;
    const auto rest_of_dispatch =
        movement.kind == MovementKind::dispatch ? std::max<std::int64_t>(0, left - open) : 0;
    left -= rest_of_dispatch;
    for (auto* one : reservations) {
        auto& [key, reservation] = *one;
        const bool first = one == reservations.front();
        const auto moved = move(movement.kind, reservation.now, left);
        left -= moved;
        const auto physical = moved + (first ? rest_of_dispatch : 0);
        if (physical == 0) continue;
        reservation.changed = reservation.changed || moved > 0;
        const auto unreserved = movement.kind == MovementKind::restock ? 0 : moved;
        ledger_.apply({key.seller_id, reservation.sku, key.warehouse},
                      {movement.kind, physical, unreserved, movement.occurred_at, 0}, cause);
    }
    return {index, true, {}, {}};
}

/// What was not done may be asked for again; a copy in the same batch says the same as the one that held the
/// claim.
void Run::give_up_claims() {
    std::map<Claim, message::MovementResult> given_up;
    each_item_index([&](Item& item, std::size_t index) {
        if (!item.claimed[index]) return;
        const auto& event_id = item.member->event.envelope.id.str();
        if (item.cancellation != nullptr) {
            if (item.cancelled.give_up_claim) given_up.try_emplace({event_id, "cancellation"});
        } else if (!item.results[index].applied) {
            given_up.try_emplace({event_id, item_key(index)}, item.results[index]);
        }
    });
    if (given_up.empty()) return;
    Array ids, keys;
    for (const auto& [claim, result] : given_up) {
        ids.add(claim.first);
        keys.add(claim.second);
    }
    transaction_.run(query::release_items, {ids.str(), keys.str()});
    each_item_index([&](Item& item, std::size_t index) {
        if (item.claimed[index] || item.moved == nullptr) return;
        const auto found = given_up.find({item.member->event.envelope.id.str(), item_key(index)});
        if (found != given_up.end()) item.results[index] = found->second;
    });
}

/// In a statement after the positions' update, so that it sees every cart that waited for these rows.
void Run::look_for_held() {
    for (const auto& [order_id, offers] : cancelling_.let_go()) telling_.let_go(order_id, offers);
    if (touched_.empty()) return;
    Array sellers, skus;
    for (const auto& offer : touched_) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
    }
    const auto rows = transaction_.run(query::waited_for, {sellers.str(), skus.str()});
    std::vector<OfferKey> waited_for;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        waited_for.push_back({SellerId(std::string(rows.text(i, 0))), Sku(std::string(rows.text(i, 1)))});
    }
    telling_.fill(waited_for);
}

outcome::Verdict Run::tell(const Item& item) {
    const auto& envelope = item.member->event.envelope;
    if (item.cancellation != nullptr) {
        const auto& cancelled = item.cancelled;
        if (cancelled.announced) telling_.order(*cancelled.announced, envelope.traceparent, cancelled.suffix);
        const bool done = std::holds_alternative<outcome::Done>(cancelled.verdict);
        if (done && cancelled.answer) telling_.answer(*item.member, *cancelled.answer);
        return cancelled.verdict;
    }
    if (item.moved == nullptr) {
        return outcome::Park{"unknown_type",
                             "the movements queue takes stock.moved and order.cancellation only"};
    }
    if (!item.later.empty()) return outcome::Later{item.later};
    std::string refused;
    for (const auto& result : item.results) {
        if (result.applied) continue;
        refused += fmt::format("{}movement {}: {}: {}", refused.empty() ? "" : "; ", result.index,
                               result.code, result.detail);
    }
    if (!refused.empty()) return outcome::Park{"movement_rejected", std::move(refused)};
    telling_.answer(*item.member, message::StockApplied{envelope.id, item.results});
    return outcome::Done{};
}

worker::Result Run::operator()() {
    claim();
    lock();
    for (auto& item : items_) fold(item);
    ledger_.write();
    cancelling_.write();
    give_up_claims();
    look_for_held();
    for (const auto& changed : ledger_.positions()) telling_.position(changed);
    bool repeated = false;
    each_item_index([&](Item& item, std::size_t index) { repeated = repeated || !item.claimed[index]; });
    for (const auto& shortfall : ledger_.shortfalls(config_.shortfall_orders_max, repeated))
        telling_.shortfall(shortfall);
    worker::Result result;
    for (const auto& item : items_) result.verdicts.push_back(tell(item));
    result.outgoing = telling_.take();
    return result;
}

}  // namespace

MovementHandler::MovementHandler(std::unique_ptr<postgres::Session> session, catalogue::Catalogue& catalogue,
                                 Config config)
    : session_(std::move(session)),
      catalogue_(catalogue),
      config_(std::move(config)),
      decoder_(codec::Limits{}) {}

worker::Result MovementHandler::handle(std::span<const worker::Member> batch) {
    worker::Result result;
    session_->transaction(
        [&](Transaction& transaction) { result = Run(transaction, batch, config_, decoder_, catalogue_)(); });
    return result;
}

}  // namespace cartwright::reserver
