// What has to be true when everything has come to rest.
#include <fmt/format.h>

#include <algorithm>

#include "common/codec/decode.hpp"
#include "common/stock/allocation.hpp"
#include "tests/model/promises.hpp"
#include "tests/model/world.hpp"

namespace cartwright::model {

void Promises::at_end() {
    carts_at_end();
    held_at_end();
    movements_at_end();
    cancellations_at_end();
    split_at_end();
    deliveries_at_end();
    announcements_at_end();
    parking_at_end();
}

/// P2, P7: every cart has its outcome, and whoever asked was told.
void Promises::carts_at_end() {
    for (const auto& [order, sent] : carts_) {
        if (world_.database.orders.find(order, nullptr) == nullptr)
            broken(fmt::format("P7: the cart of order {} is gone", order));
    }
    for (const auto& [reply_to, answers] : answers_) {
        if (answers.empty()) broken(fmt::format("P2: {} was never answered", reply_to));
    }
    for (const auto& [order, slot] : world_.database.orders.slots()) {
        const auto& row = slot.committed;
        if (!row || !row->filled_by || !row->reply_to || row->state == "cancelled") continue;
        if (!answers_[*row->reply_to].contains(order + "/" + row->state))
            broken(fmt::format("P2: {} was never told that held order {} is {}", *row->reply_to, order,
                               row->state));
    }
}

/// Held carts do not wait while what they wait for is free.
void Promises::held_at_end() {
    std::map<std::pair<Text, Text>, std::size_t> offers;
    stock::Shelf shelf;
    for (const auto& [position, slot] : world_.database.positions.slots()) {
        if (!slot.committed) continue;
        const auto& [seller, sku, warehouse] = position;
        const auto offer = offers.try_emplace({seller, sku}, offers.size()).first->second;
        shelf.chains.resize(offers.size());
        shelf.chains[offer].push_back(shelf.positions.size());
        shelf.positions.push_back(
            {shelf.positions.size(), slot.committed->on_hand - slot.committed->reserved});
    }
    std::map<std::pair<Number, OrderKey>, stock::Demand> held;
    std::set<OrderKey> waiting;
    for (const auto& [key, slot] : world_.database.held_lines.slots()) {
        if (!slot.committed) continue;
        const auto& [seller, sku, held_at, order] = key;
        const auto* row = world_.database.orders.find(order, nullptr);
        if (row == nullptr || row->state != "pending") continue;
        const auto* sent = cart_of(order, *row);
        Number units = 0;
        for (const auto& line : sent->cart.lines) {
            if (line.sku.str() == sku && (!line.seller_id || line.seller_id->str() == seller))
                units += line.quantity;
        }
        const auto offer = offers.try_emplace({seller, sku}, offers.size()).first->second;
        shelf.chains.resize(offers.size());
        held[{held_at, order}].lines.push_back({0, offer, units});
        waiting.insert(order);
    }
    std::vector<stock::Demand> demands;
    std::vector<OrderKey> orders;
    for (auto& [key, demand] : held) {
        demands.push_back(std::move(demand));
        orders.push_back(key.second);
    }
    std::vector<bool> blocked;
    const auto decisions = stock::fill(demands, shelf, stock::FillOrder::oldest_first, blocked);
    for (std::size_t i = 0; i < decisions.size(); ++i) {
        if (decisions[i].fate == stock::Fate::reserved)
            broken(fmt::format("held order {} sleeps while its units are free", orders[i]));
    }
    for (const auto& [order, slot] : world_.database.orders.slots()) {
        if (slot.committed && slot.committed->state == "pending" && !waiting.contains(order))
            broken(fmt::format("held order {} waits for nothing", order));
    }
}

/// P2, P7: a movement acted once, or is parked.
void Promises::movements_at_end() {
    for (const auto& [event_id, moved] : movements_) {
        for (std::size_t i = 0; i < moved.movements.size(); ++i)
            movement_at_end(event_id, moved.movements[i], i);
    }
}

void Promises::movement_at_end(const std::string& event_id, const message::Movement& movement,
                               std::size_t index) {
    const auto item = fmt::format("movement/{}", index);
    const bool claimed = world_.database.inbox.find(InboxKey{event_id, item}, nullptr) != nullptr;
    if (!claimed && !parked_.contains(event_id))
        return broken(fmt::format("P7: movement {} of {} is neither done nor parked", index, event_id));
    if (movement.sku.empty()) return;
    std::size_t rows = 0;
    for (const auto& [place, slot] : world_.database.events.slots()) {
        if (slot.committed && slot.committed->cause == event_id && !slot.committed->order_id &&
            std::get<1>(place) == movement.sku.str() && std::get<2>(place) == movement.warehouse.str())
            ++rows;
    }
    if (rows != (claimed ? 1 : 0))
        broken(fmt::format("P2: movement {} of {} is in the ledger {} times", index, event_id, rows));
}

void Promises::cancellations_at_end() {
    for (const auto& [event_id, cancellation] : cancellations_) {
        if (parked_.contains(event_id)) continue;
        if (world_.database.inbox.find(InboxKey{event_id, "cancellation"}, nullptr) == nullptr)
            broken(fmt::format("P7: cancellation {} is neither done nor parked", event_id));
        const auto* row = world_.database.orders.find(cancellation.order_id.str(), nullptr);
        const bool over = row != nullptr && (row->state == "cancelled" || row->state == "rejected");
        if (cancellation.lines.empty() && !over)
            broken(
                fmt::format("P7: order {} was cancelled by {} and is not", cancellation.order_id, event_id));
    }
}

/// How many messages of a kind each seller has got about an order.
std::map<Text, Number> Promises::kinds_of(const OrderKey& order, std::string_view kind) const {
    std::map<Text, Number> count;
    for (const auto& [place, slot] : world_.database.messages.slots()) {
        if (slot.committed && slot.committed->order_id == order && slot.committed->kind == kind)
            ++count[std::get<0>(place)];
    }
    return count;
}

/// P4, P5, P7: every ready order is split once, every cancellation follows its order, or there is neither.
void Promises::split_at_end() {
    for (const auto& [order, slot] : world_.database.orders.slots()) {
        if (slot.committed) order_messages_at_end(order, *slot.committed);
    }
}

void Promises::order_messages_at_end(const OrderKey& order, const OrderRow& row) {
    const auto* claim = world_.database.inbox.find(InboxKey{order, "split/ready"}, nullptr);
    const auto orders = kinds_of(order, message::type::seller_order);
    const auto cancellations = kinds_of(order, message::type::seller_cancellation);
    const bool was_ready = states_[order].contains("ready");
    if (was_ready && claim == nullptr) return broken(fmt::format("P7: order {} was never split", order));
    const bool is_void = claim != nullptr && claim->answer == "void";
    if (is_void && row.state != "cancelled")
        broken(fmt::format("P7: order {} was never told to its sellers", order));
    std::set<Text> sellers;
    for (const auto& [place, slot] : world_.database.reservations.slots()) {
        if (was_ready && !is_void && slot.committed && std::get<1>(place) == order)
            sellers.insert(std::get<0>(place));
    }
    for (const auto& [seller, count] : orders) {
        if (count != 1) broken(fmt::format("P4: seller {} was told order {} {} times", seller, order, count));
        if (!sellers.contains(seller))
            broken(fmt::format("P5: seller {} was told order {} in vain", seller, order));
    }
    for (const auto& seller : sellers) {
        if (!orders.contains(seller))
            broken(fmt::format("P7: seller {} was never told order {}", seller, order));
    }
    std::map<Text, Number> expected;
    const auto expect = [&](const std::string& answer) {
        codec::Decoder decoder{codec::Limits{}};
        const auto payload = decoder.decode_data(message::type::order_cancelled, answer);
        const auto& cancelled = std::get<message::OrderCancelled>(std::get<message::Payload>(payload));
        for (const auto& part : cancelled.sellers) {
            if (orders.contains(part.seller_id.str())) ++expected[part.seller_id.str()];
        }
    };
    if (row.state == "cancelled") expect(row.answer);
    for (const auto& [event_id, cancellation] : cancellations_) {
        if (cancellation.order_id.str() != order || cancellation.lines.empty()) continue;
        const auto* item = world_.database.inbox.find(InboxKey{event_id, "cancellation"}, nullptr);
        if (item != nullptr && item->answer) expect(*item->answer);
    }
    if (cancellations != expected)
        broken(fmt::format("P7: sellers were not told all that was cancelled of {}", order));
    std::map<std::pair<Text, Text>, Number> told;
    for (const auto& [place, slot] : world_.database.messages.slots()) {
        if (!slot.committed || slot.committed->order_id != order) continue;
        const auto& [seller, stream, number] = place;
        if (slot.committed->kind == message::type::seller_order)
            told[{seller, stream}] = number;
        else if (!told.contains({seller, stream}))
            broken(fmt::format("P5: seller {} heard of a cancellation before order {}", seller, order));
    }
}

/// P7: every number is delivered.
void Promises::deliveries_at_end() {
    for (const auto& [stream, slot] : world_.database.streams.slots()) {
        const auto* row = world_.database.deliveries.find(stream, nullptr);
        const auto delivered = row == nullptr ? 0 : row->last_delivered;
        if (delivered != slot.committed->last_assigned)
            broken(fmt::format("P7: stream {}/{} is delivered up to {} of {}", stream.first, stream.second,
                               delivered, slot.committed->last_assigned));
    }
}

/// The newest version of every position was announced.
void Promises::announcements_at_end() {
    for (const auto& [position, sums] : sums_) {
        if (sums.announced != sums.rows)
            broken(fmt::format("version {} of {}/{}/{} was never announced, {} was", sums.rows,
                               std::get<0>(position), std::get<1>(position), std::get<2>(position),
                               sums.announced));
    }
}

/// P7: only what can't be done is parked.
void Promises::parking_at_end() {
    for (const auto& [event_id, reason] : parked_) {
        const bool expected = reason == "movement_rejected" || reason == "id_conflict" ||
                              (reason == "retries_exhausted" && movements_.contains(event_id)) ||
                              (reason == "retries_exhausted" && cancellations_.contains(event_id));
        if (!expected) broken(fmt::format("P7: {} is parked as {}", event_id, reason));
    }
}

}  // namespace cartwright::model
