#include "workers/reserver/telling.hpp"

#include <fmt/compile.h>

#include <iterator>
#include <unordered_map>
#include <utility>

#include "common/codec/encode.hpp"
#include "common/crypto/digest.hpp"
#include "common/worker/aftercare.hpp"

namespace cartwright::reserver {
namespace {

constexpr const char* source = "cartwright/reserver";

std::string order_event_type(const OrderState& order) {
    return fmt::format(FMT_COMPILE("cartwright.order.{}.v1"), order.state);
}

worker::EncodedEvent order_event(const OrderState& order, const std::string& traceparent,
                                 const std::string& suffix) {
    message::Envelope envelope;
    envelope.id = EventId(fmt::format(FMT_COMPILE("{}/{}{}"), order.order_id.str(), order.state,
                                      suffix.empty() ? "" : "/" + suffix));
    envelope.type = order_event_type(order);
    envelope.source = source;
    envelope.traceparent = traceparent;
    return {envelope.id.str(), envelope.type, codec::encode_event(envelope, order.answer)};
}

worker::EncodedEvent event_of(std::string id, std::string_view type, const message::Payload& payload) {
    message::Envelope envelope{EventId(std::move(id)), std::string(type), source, std::nullopt, {}};
    return {envelope.id.str(), envelope.type, codec::encode_event(envelope, payload)};
}

std::string id_of(const PositionKey& key, std::int64_t version) {
    return fmt::format(FMT_COMPILE("{}/{}/{}/{}"), key.seller_id.str(), key.sku.str(), key.warehouse.str(),
                       version);
}

void add(std::vector<amqp::Outgoing>& to, std::vector<amqp::Outgoing> messages, bool mandatory) {
    for (auto& message : messages) {
        message.mandatory = mandatory;
        to.push_back(std::move(message));
    }
}

}  // namespace

void Telling::order(const OrderState& order, const std::string& traceparent, const std::string& suffix) {
    auto event = order_event(order, traceparent, suffix);
    publicly(event, "order." + order.state);
    if (order.state == "ready") {
        ready_.push_back(std::move(event));
    } else if (order.state == "cancelled") {
        cancelled_.push_back(std::move(event));
    }
}

void Telling::answer(const worker::Member& asked, const OrderState& order, const std::string& suffix) {
    if (asked.reply_to.empty()) return;
    auto event = order_event(order, asked.event.envelope.traceparent, suffix);
    auto reply = worker::answer(asked.reply_to, asked.correlation_id, event.type, std::move(event.json));
    if (reply) other_.push_back(std::move(*reply));
}

void Telling::answer(const std::string& reply_to, const std::string& correlation_id,
                     const OrderState& order) {
    if (reply_to.empty()) return;
    auto event = order_event(order, {}, {});
    auto reply = worker::answer(reply_to, correlation_id, event.type, std::move(event.json));
    if (reply) other_.push_back(std::move(*reply));
}

void Telling::answer(const worker::Member& asked, const message::StockApplied& applied) {
    if (asked.reply_to.empty()) return;
    auto event = event_of(asked.event.envelope.id.str() + "/applied", message::type::stock_applied, applied);
    auto reply = worker::answer(asked.reply_to, asked.correlation_id, event.type, std::move(event.json));
    if (reply) other_.push_back(std::move(*reply));
}

void Telling::position(const message::StockChanged& changed) {
    // A row that was only made to be locked has no ledger row yet: there is nothing to tell.
    if (changed.version > 0) positions_.push_back(changed);
}

void Telling::shortfall(const message::StockShortfall& shortfall) {
    auto event = event_of(id_of(shortfall.position, shortfall.version) + "/shortfall",
                          message::type::stock_shortfall, shortfall);
    publicly(event, "stock.shortfall");
    add(other_, worker::pack("stock", "stock.shortfall", {std::move(event)}, {}), false);
}

void Telling::let_go(const OrderId& order_id, const std::set<OfferKey>& offers) {
    const message::StockFill doorbell{{offers.begin(), offers.end()}};
    auto event = event_of(let_go_prefix + order_id.str(), message::type::stock_fill, doorbell);
    add(other_, worker::pack("stock", "stock.fill", {std::move(event)}, {}), true);
}

void Telling::fill(const std::vector<OfferKey>& offers) {
    if (offers.empty()) return;
    auto event = event_of(crypto::random_id(), message::type::stock_fill, message::StockFill{offers});
    add(other_, worker::pack("stock", "stock.fill", {std::move(event)}, {}), true);
}

/// An outsider's copy: one event a message, to an exchange of its own.
void Telling::publicly(const worker::EncodedEvent& event, std::string_view routing_key) {
    if (!config_->public_events) return;
    add(other_, worker::pack("events", std::string(routing_key), {event}, {}), false);
}

void Telling::absorb(Telling&& other) {
    std::move(other.ready_.begin(), other.ready_.end(), std::back_inserter(ready_));
    std::move(other.cancelled_.begin(), other.cancelled_.end(), std::back_inserter(cancelled_));
    std::move(other.positions_.begin(), other.positions_.end(), std::back_inserter(positions_));
    std::move(other.other_.begin(), other.other_.end(), std::back_inserter(other_));
}

std::vector<amqp::Outgoing> Telling::take() {
    const auto& limits = config_->packing;
    std::unordered_map<PositionKey, std::size_t> newest;
    for (std::size_t i = 0; i < positions_.size(); ++i) newest.insert_or_assign(positions_[i].position, i);
    std::vector<worker::EncodedEvent> changes;
    changes.reserve(newest.size());
    for (std::size_t i = 0; i < positions_.size(); ++i) {
        const auto& changed = positions_[i];
        if (newest.at(changed.position) != i) continue;
        changes.push_back(
            event_of(id_of(changed.position, changed.version), message::type::stock_changed, changed));
        publicly(changes.back(), "stock.changed");
    }
    std::vector<amqp::Outgoing> all;
    add(all, worker::pack("orders", "order.ready", std::exchange(ready_, {}), limits), true);
    add(all, worker::pack("orders", "order.cancelled", std::exchange(cancelled_, {}), limits), true);
    add(all, worker::pack("stock", "stock.changed", std::move(changes), limits), false);
    for (auto& message : other_) all.push_back(std::move(message));
    other_.clear();
    positions_.clear();
    return all;
}

}  // namespace cartwright::reserver
