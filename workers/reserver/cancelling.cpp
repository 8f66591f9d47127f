#include "workers/reserver/cancelling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/codec/encode.hpp"
#include "common/outcome/trouble.hpp"
#include "workers/reserver/queries.hpp"
#include "workers/reserver/stored_orders.hpp"

namespace cartwright::reserver {
namespace {

using message::MovementKind;
using outcome::Later;
using outcome::Park;
using postgres::Array;

constexpr const char* claim_item = "cancellation";

CancellationOutcome refused(std::string detail) {
    CancellationOutcome outcome;
    outcome.verdict = Park{"movement_rejected", std::move(detail)};
    outcome.give_up_claim = true;
    return outcome;
}

OrderState cancelled_state(const message::OrderCancelled& cancelled) {
    return {cancelled.order_id, "cancelled", codec::encode_data(cancelled)};
}

/// The part of `cancelled` that belongs to a seller.
message::SellerCancellation& part_of(message::OrderCancelled& cancelled, const SellerId& seller_id) {
    auto& sellers = cancelled.sellers;
    const auto at =
        std::lower_bound(sellers.begin(), sellers.end(), seller_id,
                         [](const auto& part, const SellerId& id) { return part.seller_id < id; });
    if (at != sellers.end() && at->seller_id == seller_id) return *at;
    return *sellers.insert(at, {seller_id, {}});
}

}  // namespace

void Cancelling::add(const EventId& event_id, const message::OrderCancellation& cancellation, bool claimed) {
    wanted_.push_back({event_id, &cancellation, claimed});
}

void Cancelling::lock_orders() {
    if (wanted_.empty()) return;
    insert_tombstones();
    std::set<OrderId> ids;
    for (const auto& one : wanted_) ids.insert(one.cancellation->order_id);
    Array order_ids;
    for (const auto& order_id : ids) order_ids.add(order_id.str());
    const auto rows = transaction_.run(query::lock_orders, {order_ids.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Known known;
        known.state = {OrderId(std::string(rows.text(i, 0))), std::string(rows.text(i, 1)),
                       std::string(rows.text(i, 2))};
        known.order = order_of(decoder_, known.state);
        auto order_id = known.state.order_id;
        known_.emplace(std::move(order_id), std::move(known));
    }
    read_repeated_lines();
}

/// What partial cancellations did that are here once more.
void Cancelling::read_repeated_lines() {
    std::set<std::string> repeated;
    for (const auto& one : wanted_) {
        if (!one.claimed && !one.cancellation->lines.empty()) repeated.insert(one.event_id.str());
    }
    if (repeated.empty()) return;
    Array event_ids, items;
    for (const auto& event_id : repeated) {
        event_ids.add(event_id);
        items.add(claim_item);
    }
    const auto rows = transaction_.run(query::read_items, {event_ids.str(), items.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!rows.is_null(i, 2))
            repeated_answers_.emplace(EventId(std::string(rows.text(i, 0))), std::string(rows.text(i, 2)));
    }
}

std::set<OfferKey> Cancelling::let_go_before() {
    std::set<OfferKey> offers;
    const auto add = [&](const std::string& answer) {
        auto payload = decoder_.decode_data(message::type::order_cancelled, answer);
        const auto* read = std::get_if<message::Payload>(&payload);
        CARTWRIGHT_ASSERT(read != nullptr);
        for (const auto& part : std::get<message::OrderCancelled>(*read).sellers) {
            for (const auto& line : part.lines) offers.insert({part.seller_id, line.sku});
        }
    };
    for (const auto& [order_id, known] : known_) {
        if (known.state.state == "cancelled") add(known.state.answer);
    }
    for (const auto& [event_id, answer] : repeated_answers_) add(answer);
    return offers;
}

/// A whole cancellation of an order that nobody knows is remembered.
void Cancelling::insert_tombstones() {
    std::map<OrderId, std::string> answers;
    for (const auto& one : wanted_) {
        if (!one.cancellation->lines.empty()) continue;
        const message::OrderCancelled nothing{one.cancellation->order_id, one.cancellation->reason, true, {}};
        answers.try_emplace(one.cancellation->order_id, codec::encode_data(nothing));
    }
    if (answers.empty()) return;
    Array ids, states, hashes, reply_tos, correlation_ids;
    postgres::Texts stored;
    for (const auto& [order_id, answer] : answers) {
        ids.add(order_id.str());
        states.add("cancelled");
        hashes.add_null();
        stored.add(answer);
        reply_tos.add_null();
        correlation_ids.add_null();
    }
    transaction_.run(query::claim_orders, {ids.str(), states.str(), hashes.str(), stored.str(),
                                           reply_tos.str(), correlation_ids.str()});
}

std::set<LineKey> Cancelling::lines() const {
    std::set<LineKey> lines;
    for (const auto& [order_id, known] : known_) {
        if (!known.order || known.state.state == "pending") continue;
        for (const auto& part : known.order->sellers) {
            for (const auto& line : part.lines) lines.insert({part.seller_id, order_id, line.line_id});
        }
    }
    return lines;
}

CancellationOutcome Cancelling::fold(const message::OrderCancellation& cancellation, const EventId& event_id,
                                     const std::string& source, bool claimed) {
    const bool whole = cancellation.lines.empty();
    const auto found = known_.find(cancellation.order_id);
    if (found == known_.end()) {
        CancellationOutcome outcome;
        outcome.verdict = Later{fmt::format("order {} is not known yet", cancellation.order_id)};
        outcome.give_up_claim = true;
        return outcome;
    }
    auto& known = found->second;
    const Cause cause{event_id.str(), source, cancellation.order_id, cancellation.reason};
    CancellationOutcome outcome;
    if (!whole && !claimed) return repeat_lines(known, event_id);
    if (known.order) {
        outcome = whole ? cancel_whole(known, cancellation, cause) : cancel_lines(known, cancellation, cause);
    } else if (known.state.state == "cancelled") {
        outcome.announced = known.state;
        repeated_.insert(cancellation.order_id);
    }
    outcome.answer = known.state;
    return outcome;
}

CancellationOutcome Cancelling::cancel_whole(Known& known, const message::OrderCancellation& cancellation,
                                             const Cause& cause) {
    message::OrderCancelled cancelled{cancellation.order_id, cancellation.reason, true, {}};
    const bool held = known.state.state == "pending";
    std::int64_t released = 0;
    for (const auto& part : known.order->sellers) {
        for (const auto& line : part.lines) {
            if (held) {
                let_go_[cancellation.order_id].insert({part.seller_id, line.sku});
                continue;
            }
            const auto units = release({part.seller_id, cancellation.order_id, line.line_id},
                                       std::numeric_limits<std::int64_t>::max(), cause);
            if (units > 0)
                part_of(cancelled, part.seller_id).lines.push_back({line.line_id, line.sku, units});
            released += units;
        }
    }
    if (!held && released == 0 && dispatched_units(known) > 0) {
        return refused(
            fmt::format("order {} has left already: nothing of it is open", cancellation.order_id));
    }
    known.state = cancelled_state(cancelled);
    known.order.reset();
    known.changed = true;
    CancellationOutcome outcome;
    outcome.announced = known.state;
    return outcome;
}

CancellationOutcome Cancelling::cancel_lines(Known& known, const message::OrderCancellation& cancellation,
                                             const Cause& cause) {
    if (known.state.state == "pending") return refused("a held order can be cancelled as a whole only");
    std::map<LineId, std::int64_t> units;
    for (const auto& line : cancellation.lines) {
        if (line.quantity <= 0)
            return refused(fmt::format("line {}: quantity {}", line.line_id, line.quantity));
        units[line.line_id] += line.quantity;
    }
    message::OrderCancelled cancelled{cancellation.order_id, cancellation.reason, false, {}};
    std::size_t found = 0;
    for (const auto& part : known.order->sellers) {
        for (const auto& line : part.lines) {
            const auto asked = units.find(line.line_id);
            if (asked == units.end()) continue;
            ++found;
            const auto open = open_units({part.seller_id, cancellation.order_id, line.line_id});
            if (open < asked->second) {
                return refused(
                    fmt::format("line {}: {} to cancel, {} open", line.line_id, asked->second, open));
            }
            part_of(cancelled, part.seller_id).lines.push_back({line.line_id, line.sku, asked->second});
        }
    }
    if (found < units.size()) return refused("it names a line that the order does not have");
    for (const auto& part : cancelled.sellers) {
        for (const auto& line : part.lines)
            release({part.seller_id, cancellation.order_id, line.line_id}, line.quantity, cause);
    }
    CancellationOutcome outcome;
    outcome.announced = cancelled_state(cancelled);
    outcome.suffix = cause.event_id;
    stored_answers_.emplace(EventId(cause.event_id), outcome.announced->answer);
    return outcome;
}

/// A partial cancellation that was done before is announced again as it was stored.
CancellationOutcome Cancelling::repeat_lines(const Known& known, const EventId& event_id) {
    CancellationOutcome outcome;
    outcome.answer = known.state;
    outcome.suffix = event_id.str();
    if (const auto fresh = stored_answers_.find(event_id); fresh != stored_answers_.end()) return outcome;
    if (const auto before = repeated_answers_.find(event_id); before != repeated_answers_.end())
        outcome.announced = OrderState{known.state.order_id, "cancelled", before->second};
    return outcome;
}

std::int64_t Cancelling::release(const LineKey& line, std::int64_t units, const Cause& cause) {
    std::int64_t released = 0;
    for (auto* one : ledger_.of_line(line)) {
        auto& [key, reservation] = *one;
        const auto moved = stock::release(reservation.now, units - released);
        if (moved == 0) continue;
        reservation.changed = true;
        released += moved;
        ledger_.apply({key.seller_id, reservation.sku, key.warehouse},
                      {MovementKind::release, moved, moved, now(), 0}, cause);
    }
    return released;
}

std::int64_t Cancelling::open_units(const LineKey& line) {
    std::int64_t open = 0;
    for (const auto* one : ledger_.of_line(line)) open += one->second.now.open;
    return open;
}

std::int64_t Cancelling::dispatched_units(const Known& known) {
    std::int64_t dispatched = 0;
    for (const auto& part : known.order->sellers) {
        for (const auto& line : part.lines) {
            for (const auto* one : ledger_.of_line({part.seller_id, known.state.order_id, line.line_id})) {
                dispatched += one->second.now.dispatched;
            }
        }
    }
    return dispatched;
}

void Cancelling::write() {
    Array ids, states, answers, filled_by;
    for (const auto& [order_id, known] : known_) {
        if (!known.changed) continue;
        ids.add(order_id.str());
        states.add(known.state.state);
        answers.add(known.state.answer);
        filled_by.add_null();
    }
    if (ids.size() > 0) {
        transaction_.run(query::decide_orders, {ids.str(), states.str(), answers.str(), filled_by.str()});
    }
    if (!stored_answers_.empty()) {
        Array event_ids, items, texts;
        for (const auto& [event_id, answer] : stored_answers_) {
            event_ids.add(event_id.str());
            items.add(claim_item);
            texts.add(answer);
        }
        transaction_.run(query::answer_items, {event_ids.str(), items.str(), texts.str()});
    }
}

std::map<OrderId, std::set<OfferKey>> Cancelling::let_go() {
    auto offers = let_go_;
    if (repeated_.empty()) return offers;
    Array ids;
    for (const auto& order_id : repeated_) ids.add(order_id.str());
    const auto rows = transaction_.run(query::held_by_order, {ids.str()});
    for (std::size_t i = 0; i < rows.size(); ++i)
        offers[OrderId(std::string(rows.text(i, 0)))].insert(
            {SellerId(std::string(rows.text(i, 1))), Sku(std::string(rows.text(i, 2)))});
    return offers;
}

}  // namespace cartwright::reserver
