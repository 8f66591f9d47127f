#include "tests/model/promises.hpp"

#include <fmt/format.h>

#include "common/codec/decode.hpp"
#include "common/codec/encode.hpp"
#include "common/crypto/digest.hpp"
#include "tests/model/world.hpp"

namespace cartwright::model {
namespace {

std::string name_of(const Position& position) {
    return fmt::format("{}/{}/{}", std::get<0>(position), std::get<1>(position), std::get<2>(position));
}

codec::Decoder& decoder() {
    static thread_local codec::Decoder decoder{codec::Limits{}};
    return decoder;
}

/// Of one event; empty where there is none.
std::string id_of(std::string_view body) {
    if (body.empty()) return {};
    const auto decoded = decoder().decode(body);
    const auto* read = std::get_if<message::Event>(&decoded.front().content);
    return read == nullptr ? std::string() : read->envelope.id.str();
}

}  // namespace

void Promises::broken(std::string what) {
    if (world_.tracing()) world_.note("BROKEN: " + what);
    if (!broken_) broken_ = std::move(what);
}

void Promises::watch() {
    auto& database = world_.database;
    database.orders.on_change = [this](const auto&... change) { order_changed(change...); };
    database.events.on_change = [this](const auto&... change) { event_changed(change...); };
    database.deliveries.on_change = [this](const auto&... change) { delivery_changed(change...); };
    database.messages.on_change = [this](const auto&... change) { message_changed(change...); };
    database.positions.on_change = [this](const Position& position, const PositionRow*, const PositionRow*) {
        touched_positions_.insert(position);
    };
    database.streams.on_change = [this](const Stream& stream, const StreamRow*, const StreamRow*) {
        touched_streams_.insert(stream);
    };
    database.reservations.on_change = [this](const ReservationPlace& place, const ReservationRow* before,
                                             const ReservationRow* after) {
        const Position position{std::get<0>(place), after->sku, std::get<3>(place)};
        sums_[position].open += after->open - (before == nullptr ? 0 : before->open);
        touched_positions_.insert(position);
        touched_orders_.insert(std::get<1>(place));
    };
}

void Promises::begin() {
    for (auto& [position, sums] : sums_) sums.announced = sums.rows;
}

void Promises::sent(const Cart& cart, const std::string& reply_to) {
    carts_[cart.order_id.str()].push_back({cart, crypto::hex(crypto::sha256(codec::canonical_cart(cart)))});
    if (!reply_to.empty()) answers_.try_emplace(reply_to);
}

void Promises::sent(const std::string& event_id, const message::StockMoved& moved) {
    movements_.emplace(event_id, moved);
}

void Promises::sent(const std::string& event_id, const message::OrderCancellation& cancellation) {
    cancellations_.emplace(event_id, cancellation);
}

/// P2: an order has one outcome. It may move on, never back, and says the same of itself while it stays.
void Promises::order_changed(const OrderKey& order, const OrderRow* before, const OrderRow* after) {
    if (after == nullptr) return broken(fmt::format("P2: order {} is gone", order));
    touched_orders_.insert(order);
    if (before != nullptr) {
        const bool moves_on = (before->state == "pending" && after->state != "pending") ||
                              (after->state == "cancelled" && before->state != "rejected");
        if (before->state == after->state ? before->answer != after->answer : !moves_on)
            broken(fmt::format("P2: order {} went from {} to {}", order, before->state, after->state));
    }
    states_[order][after->state] = after->answer;
}

void Promises::event_changed(const EventPlace& place, const EventRow* before, const EventRow* after) {
    const auto& [seller, sku, warehouse, version] = place;
    const Position position{seller, sku, warehouse};
    if (before != nullptr || after == nullptr)
        return broken(fmt::format("P3: ledger row {} of {} was changed", version, name_of(position)));
    auto& sums = sums_[position];
    sums.on_hand += after->on_hand;
    sums.reserved += after->reserved;
    sums.shortfall += after->shortfall;
    ++sums.rows;
    sums.newest = std::max(sums.newest, version);
    touched_positions_.insert(position);
}

/// P1 and P3 for one position, at every version.
void Promises::check_position(const Position& position) {
    const auto& sums = sums_[position];
    const auto* row = world_.database.positions.find(position, nullptr);
    if (row == nullptr)
        return broken(fmt::format("P3: position {} has a ledger and no row", name_of(position)));
    if (row->reserved < 0 || row->reserved > row->on_hand)
        broken(fmt::format("P1: {} reserved of {} at {}", row->reserved, row->on_hand, name_of(position)));
    if (row->reserved != sums.open)
        broken(fmt::format("P1: {} reserved at {}, {} open", row->reserved, name_of(position), sums.open));
    if (row->version != sums.rows || sums.newest != sums.rows)
        broken(fmt::format("P3: {} has version {}, {} ledger rows up to {}", name_of(position), row->version,
                           sums.rows, sums.newest));
    if (row->on_hand != sums.on_hand || row->reserved != sums.reserved || row->shortfall != sums.shortfall)
        broken(fmt::format("P3: {} is not the sum of its ledger", name_of(position)));
}

/// P5: numbers without a gap, each with its message.
void Promises::check_stream(const Stream& stream) {
    const auto* row = world_.database.streams.find(stream, nullptr);
    const auto last = row == nullptr ? 0 : row->last_assigned;
    if (last != stored_messages_[stream])
        broken(fmt::format("P5: stream {}/{} has given {} numbers to {} messages", stream.first,
                           stream.second, last, stored_messages_[stream]));
}

void Promises::message_changed(const MessagePlace& place, const MessageRow* before, const MessageRow* after) {
    const auto& [seller, stream, number] = place;
    if (before != nullptr || after == nullptr)
        return broken(fmt::format("P5: message {} of {}/{} was changed", number, seller, stream));
    ++stored_messages_[{seller, stream}];
    touched_streams_.insert({seller, stream});
}

void Promises::delivery_changed(const Stream& stream, const DeliveryRow* before, const DeliveryRow* after) {
    const auto was = before == nullptr ? DeliveryRow{} : *before;
    const auto name = fmt::format("{}/{}", stream.first, stream.second);
    if (after->last_delivered < was.last_delivered)
        broken(fmt::format("P5: stream {} went back from {} to {}", name, was.last_delivered,
                           after->last_delivered));
    const auto arrived = arrivals_[stream].newest;
    if (after->last_delivered > arrived)
        broken(fmt::format("P5: stream {} is delivered up to {}, {} arrived", name, after->last_delivered,
                           arrived));
    const auto* work = world_.database.committing;
    const bool leased = was.lease_until && *was.lease_until > world_.scheduler.time_us;
    const bool ended = leased && (!after->lease_until || after->lease_epoch != was.lease_epoch);
    if (ended && work != nullptr && work->process->name != was.lease_holder)
        broken(
            fmt::format("P5: {} ended {}'s lease of stream {}", work->process->name, was.lease_holder, name));
}

/// P4: a cart is reserved completely or not at all, or by its policy, in one commit.
void Promises::check_whole(const OrderKey& order) {
    const auto* row = world_.database.orders.find(order, nullptr);
    std::map<Text, Number> reserved;
    Number open = 0;
    const auto& slots = world_.database.reservations.slots();
    for (const auto& [place, slot] : slots) {
        if (std::get<1>(place) != order || !slot.committed) continue;
        reserved[std::get<2>(place)] += slot.committed->reserved;
        open += slot.committed->open;
    }
    if (row == nullptr)
        return broken(fmt::format("P4: units are reserved for order {}, which nobody knows", order));
    const bool holds = row->state == "ready" || row->state == "reserved";
    if (!holds) {
        if (open > 0) broken(fmt::format("P4: order {} is {} and holds {} units", order, row->state, open));
        return;
    }
    const auto* sent = cart_of(order, *row);
    if (sent == nullptr) return broken(fmt::format("P2: nobody sent the cart of order {}", order));
    check_lines(order, sent->cart, reserved);
}

void Promises::check_lines(const OrderKey& order, const Cart& cart, const std::map<Text, Number>& reserved) {
    for (const auto& line : cart.lines) {
        const auto found = reserved.find(line.line_id.str());
        const auto units = found == reserved.end() ? 0 : found->second;
        const bool whole =
            cart.policy == ShortagePolicy::partial ? units <= line.quantity : units == line.quantity;
        if (!whole)
            broken(fmt::format("P4: line {} of order {} asks for {} and has {}", line.line_id, order,
                               line.quantity, units));
    }
    if (reserved.empty()) broken(fmt::format("P4: order {} is ready and holds nothing", order));
    std::map<Text, Text> sellers;
    for (const auto& [place, slot] : world_.database.reservations.slots()) {
        const auto& [seller, its_order, line, warehouse] = place;
        if (its_order != order || !slot.committed) continue;
        if (sellers.emplace(line, seller).first->second != seller)
            broken(fmt::format("P4: line {} of order {} has two sellers", line, order));
    }
}

const Promises::SentCart* Promises::cart_of(const OrderKey& order, const OrderRow& row) const {
    const auto found = carts_.find(order);
    if (found == carts_.end() || !row.hash) return nullptr;
    for (const auto& sent : found->second) {
        if (sent.hash == *row.hash) return &sent;
    }
    return nullptr;
}

void Promises::after_commit() {
    for (const auto& position : std::exchange(touched_positions_, {})) check_position(position);
    for (const auto& stream : std::exchange(touched_streams_, {})) check_stream(stream);
    for (const auto& order : std::exchange(touched_orders_, {})) check_whole(order);
}

/// P5: first arrivals are 1, 2, 3, …, each number has one destination, a repeat is an exact repeat.
void Promises::arrived(const Stream& stream, Number number, const std::string& destination,
                       const std::string& body) {
    if (world_.tracing())
        world_.note(
            fmt::format("    {}/{}/{} arrives at {}", stream.first, stream.second, number, destination));
    auto& arrivals = arrivals_[stream];
    const auto name = fmt::format("{}/{}/{}", stream.first, stream.second, number);
    if (number > arrivals.newest + 1)
        broken(fmt::format("P5: {} arrived at {} after {}", name, destination, arrivals.newest));
    arrivals.newest = std::max(arrivals.newest, number);
    const auto [found, first] = arrivals.places.try_emplace(number, destination, body);
    const auto& [before, first_body] = found->second;
    if (before != destination)
        broken(fmt::format("P5: {} arrived at {} and at {}", name, before, destination));
    if (first_body != body) broken(fmt::format("P5: {} arrived with other bytes than at first", name));
    const auto* stored =
        world_.database.messages.find(MessagePlace{stream.first, stream.second, number}, nullptr);
    if (stored == nullptr || stored->body != body) broken(fmt::format("P5: {} is not what is stored", name));
}

/// P2: nothing is said before it is committed, and the same thing is said in the same words.
void Promises::event_told(std::string_view event) {
    const auto decoded = decoder().decode(event);
    const auto* read = std::get_if<message::Event>(&decoded.front().content);
    if (read == nullptr) return broken(fmt::format("what nobody can read was told: {}", event));
    if (const auto* changed = std::get_if<message::StockChanged>(&read->payload)) {
        const auto& key = changed->position;
        const Position position{key.seller_id.str(), key.sku.str(), key.warehouse.str()};
        auto& sums = sums_[position];
        if (changed->version > sums.rows)
            broken(fmt::format("P3: version {} of {} was announced before it was there", changed->version,
                               name_of(position)));
        sums.announced = std::max(sums.announced, changed->version);
        return;
    }
    const auto& type = read->envelope.type;
    if (!type.starts_with("cartwright.order.")) return;
    const auto [told, first] = events_told_.try_emplace(read->envelope.id.str(), event);
    if (told->second != event) broken(fmt::format("P2: {} was told in other words", read->envelope.id));
    const auto& id = read->envelope.id.str();
    const auto slash = id.find('/');
    const auto state = id.substr(slash + 1);
    if (state.find('/') != std::string::npos) return;
    const auto& known = states_[id.substr(0, slash)];
    const auto found = known.find(state);
    if (found == known.end() || event.find(found->second) == std::string_view::npos)
        broken(fmt::format("P2: {} was told and is not what was committed", id));
}

void Promises::told(std::string_view body) {
    for (const auto& raw : [&] {
             std::vector<std::string> events;
             for (const auto& one : decoder().decode(body)) events.emplace_back(one.raw);
             return events;
         }())
        event_told(raw);
}

void Promises::answered(const std::string& reply_to, std::string_view body) {
    answers_[reply_to].insert(id_of(body));
    if (!body.empty()) told(body);
}

void Promises::parked(const std::string& event_id, const std::string& reason, const std::string& detail) {
    if (world_.tracing()) world_.note(fmt::format("    parked {}: {}: {}", event_id, reason, detail));
    parked_[event_id] = reason;
}

}  // namespace cartwright::model
