// The reserver's statements about orders, held carts and claims.
#include <algorithm>
#include <limits>

#include "tests/model/statement.hpp"
#include "workers/reserver/queries.hpp"

namespace cartwright::model {
namespace {

namespace query = reserver::query;

/// A claim that asks nobody: whoever looks finds nothing committed yet, and both go on.
template <class K, class R>
bool claim_without_waiting(Call& call, Table<K, R>& table, const K& key, R row) {
    if (table.find(key, &call.work) != nullptr) return false;
    auto& slot = table.slot(key);
    if (slot.owner == nullptr) return call.database.insert_if_absent(call.work, table, key, std::move(row));
    call.work.unlocked_writes.push_back([&table, key, row = std::move(row)] { table.put(key, row); });
    return true;
}

bool from_lane(const Call& call, std::string_view lane) {
    return call.work.lane.find(lane) != std::string::npos;
}

bool claim_order(Call& call, const Text& id, OrderRow row) {
    const bool waits = !(call.is(Mutation::cart_claim_does_not_wait) && !from_lane(call, "movements")) &&
                       !(call.is(Mutation::cancellation_claim_does_not_wait) && from_lane(call, "movements"));
    auto& table = call.database.orders;
    if (table.find(id, &call.work) == nullptr) call.work.unseen_at_claim.push_back(id);
    return waits ? call.database.insert_if_absent(call.work, table, id, std::move(row))
                 : claim_without_waiting(call, table, id, std::move(row));
}

void claim_orders(Call& call) {
    const auto ids = call.list(0), states = call.list(1), hashes = call.list(2), reply_tos = call.list(4),
               correlations = call.list(5);
    const auto answers = call.texts(3);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        OrderRow row{*states[i], hashes[i], answers[i], std::nullopt, reply_tos[i], correlations[i]};
        if (claim_order(call, *ids[i], std::move(row))) call.row(*ids[i]);
    }
}

void new_orders(Call& call) {
    const auto ids = call.list(0), states = call.list(1), hashes = call.list(2), answers = call.list(3),
               reply_tos = call.list(4), correlations = call.list(5);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        OrderRow row{*states[i],   hashes[i]->substr(2), *answers[i],
                     std::nullopt, reply_tos[i],         correlations[i]};
        if (!claim_order(call, *ids[i], std::move(row))) throw postgres::Duplicate("an order is there");
        ++call.answer.affected;
    }
}

void read_orders(Call& call) {
    const auto& unseen = call.work.unseen_at_claim;
    for (const auto& id : call.list(0)) {
        const auto* row = call.database.orders.find(*id, &call.work);
        if (call.is(Mutation::answer_read_with_the_claim) &&
            std::find(unseen.begin(), unseen.end(), *id) != unseen.end())
            continue;
        if (row != nullptr) call.row(*id, row->state, row->hash, row->answer);
    }
}

void lock_orders(Call& call) {
    std::vector<std::pair<Text, Table<OrderKey, OrderRow>::Slot*>> seen;
    for (const auto& id : call.list(0))
        seen.emplace_back(*id, call.database.seen(call.work, call.database.orders, *id));
    for (const auto& [id, slot] : seen) {
        const auto* row = call.database.lock_seen(call.work, call.database.orders, slot);
        if (row != nullptr) call.row(id, Text(row->state), row->answer, row->reply_to, row->correlation_id);
    }
}

void decide_orders(Call& call) {
    const auto ids = call.list(0), states = call.list(1), answers = call.list(2), filled_by = call.list(3);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto* slot = call.database.seen(call.work, call.database.orders, *ids[i]);
        auto* row = call.database.lock_seen(call.work, call.database.orders, slot);
        if (row == nullptr) continue;
        row->state = *states[i];
        row->answer = *answers[i];
        if (filled_by[i]) row->filled_by = filled_by[i];
        ++call.answer.affected;
    }
}

void read_filled(Call& call) {
    if (call.is(Mutation::doorbell_forgets_what_it_filled)) return;
    for (const auto& [id, slot] : call.database.orders.slots()) {
        const auto* row = Table<OrderKey, OrderRow>::visible(slot, &call.work);
        if (row != nullptr && row->filled_by == call.text(0))
            call.row(id, row->state, row->answer, row->reply_to, row->correlation_id);
    }
}

void insert_held(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1), orders = call.list(2);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        call.database.insert(call.work, call.database.held_lines,
                             HeldKey{*sellers[i], *skus[i], call.work.begun_us, *orders[i]}, {}, "held_line");
        ++call.answer.affected;
    }
}

/// What the transaction sees of held carts for one offer, oldest first.
std::vector<HeldKey> held_for(const Call& call, const Text& seller, const Text& sku) {
    std::vector<HeldKey> found;
    const auto& slots = call.database.held_lines.slots();
    for (auto at = slots.lower_bound(HeldKey{seller, sku, std::numeric_limits<Number>::min(), ""});
         at != slots.end() && std::get<0>(at->first) == seller && std::get<1>(at->first) == sku; ++at) {
        if (Table<HeldKey, HeldRow>::visible(at->second, &call.work) != nullptr) found.push_back(at->first);
    }
    return found;
}

void read_held(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1);
    const auto after_time = call.text(2) == "-infinity" ? std::numeric_limits<Number>::min() : call.number(2);
    const std::pair after(after_time, call.text(3));
    const auto limit = static_cast<std::size_t>(call.number(4));
    std::vector<std::pair<Number, Text>> found;
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        std::size_t count = 0;
        for (const auto& [seller, sku, held_at, order] : held_for(call, *sellers[i], *skus[i])) {
            if (std::pair(held_at, order) <= after) continue;
            if (++count > limit) break;
            found.emplace_back(held_at, order);
        }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.size() > limit) found.resize(limit);
    for (const auto& [held_at, order] : found) call.row(held_at, order);
}

void waited_for(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        const auto of_offer = [&](const HeldKey& key) {
            return std::get<0>(key) == *sellers[i] && std::get<1>(key) == *skus[i];
        };
        const auto& early = call.work.held_at_begin;
        const bool waits = call.is(Mutation::held_looked_for_too_early)
                               ? std::any_of(early.begin(), early.end(), of_offer)
                               : !held_for(call, *sellers[i], *skus[i]).empty();
        if (waits) call.row(*sellers[i], *skus[i]);
    }
}

void held_by_order(Call& call) {
    for (const auto& id : call.list(0)) {
        for (const auto& [key, slot] : call.database.held_lines.slots()) {
            if (std::get<3>(key) != *id || Table<HeldKey, HeldRow>::visible(slot, &call.work) == nullptr)
                continue;
            call.row(*id, std::get<0>(key), std::get<1>(key));
        }
    }
}

template <class Matches>
void delete_held_where(Call& call, const Matches& matches) {
    auto& table = call.database.held_lines;
    std::vector<Table<HeldKey, HeldRow>::Slot*> seen;
    for (auto& [key, slot] : table.slots()) {
        if (matches(key) && Table<HeldKey, HeldRow>::visible(slot, &call.work) != nullptr)
            seen.push_back(&slot);
    }
    for (auto* slot : seen) {
        if (call.database.lock_seen(call.work, table, slot) == nullptr) continue;
        slot->pending.reset();
        ++call.answer.affected;
    }
}

void delete_held_order(Call& call) {
    const auto* order = call.database.orders.find(call.text(0), &call.work);
    if (order == nullptr || order->state == "pending") return;
    delete_held_where(call, [&](const HeldKey& key) { return std::get<3>(key) == call.text(0); });
}

void delete_held(Call& call) {
    const auto sellers = call.list(0), skus = call.list(1), orders = call.list(2);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        delete_held_where(call, [&](const HeldKey& key) {
            return std::get<0>(key) == *sellers[i] && std::get<1>(key) == *skus[i] &&
                   std::get<3>(key) == *orders[i];
        });
    }
}

void claim_items(Call& call) {
    const auto ids = call.list(0), items = call.list(1);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const InboxKey key{*ids[i], *items[i]};
        const bool won = call.is(Mutation::movement_claim_does_not_wait)
                             ? claim_without_waiting(call, call.database.inbox, key, {})
                             : call.database.insert_if_absent(call.work, call.database.inbox, key, {});
        if (won) call.row(*ids[i], *items[i]);
    }
}

void release_items(Call& call) {
    const auto ids = call.list(0), items = call.list(1);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto* slot = call.database.seen(call.work, call.database.inbox, InboxKey{*ids[i], *items[i]});
        if (call.database.lock_seen(call.work, call.database.inbox, slot) == nullptr) continue;
        slot->pending.reset();
        ++call.answer.affected;
    }
}

void answer_items(Call& call) {
    const auto ids = call.list(0), items = call.list(1), answers = call.list(2);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto* slot = call.database.seen(call.work, call.database.inbox, InboxKey{*ids[i], *items[i]});
        auto* row = call.database.lock_seen(call.work, call.database.inbox, slot);
        if (row == nullptr) continue;
        row->answer = answers[i];
        ++call.answer.affected;
    }
}

void read_items(Call& call) {
    const auto ids = call.list(0), items = call.list(1);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto* row = call.database.inbox.find(InboxKey{*ids[i], *items[i]}, &call.work);
        if (row != nullptr) call.row(*ids[i], *items[i], row->answer);
    }
}

constexpr postgres::Statement to_orders{query::new_orders.name, query::new_orders.columns};

constexpr Modelled statements[] = {
    {&query::claim_orders, 1958088609, claim_orders, true, 1},
    {&to_orders, 2761511066, new_orders, true, 1},
    {&query::read_orders, 251944718, read_orders},
    {&query::lock_orders, 112745574, lock_orders, true, 1},
    {&query::decide_orders, 3273345803, decide_orders, true, 1},
    {&query::read_filled, 1664475061, read_filled},
    {&query::insert_held, 4005959491, insert_held, true, 3},
    {&query::read_held, 3450653635, read_held},
    {&query::waited_for, 1829246425, waited_for},
    {&query::held_by_order, 4138754908, held_by_order},
    {&query::delete_held_order, 3998242289, delete_held_order},
    {&query::delete_held, 4240473576, delete_held, true, 3},
    {&query::claim_items, 4060257076, claim_items, true, 2},
    {&query::release_items, 2156096029, release_items, true, 2},
    {&query::answer_items, 4157564842, answer_items, true, 1},
    {&query::read_items, 1504306113, read_items},
};

}  // namespace

std::span<const Modelled> order_statements() {
    return statements;
}

}  // namespace cartwright::model
