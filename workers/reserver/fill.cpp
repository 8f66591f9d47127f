#include "workers/reserver/fill.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "common/outcome/trouble.hpp"
#include "workers/reserver/checking.hpp"
#include "workers/reserver/queries.hpp"
#include "workers/reserver/stored_orders.hpp"
#include "workers/reserver/taking.hpp"

namespace cartwright::reserver {
namespace {

using postgres::Array;
using postgres::Transaction;

constexpr const char* source = "cartwright/reserver/fill";

/// What these orders wait for, or waited for as long as their rows are there.
std::set<OfferKey> held_offers(Transaction& transaction, const std::set<OrderId>& orders) {
    std::set<OfferKey> offers;
    if (orders.empty()) return offers;
    Array ids;
    for (const auto& order_id : orders) ids.add(order_id.str());
    const auto rows = transaction.run(query::held_by_order, {ids.str()});
    for (std::size_t i = 0; i < rows.size(); ++i)
        offers.insert({SellerId(std::string(rows.text(i, 1))), Sku(std::string(rows.text(i, 2)))});
    return offers;
}

}  // namespace

FillHandler::FillHandler(std::unique_ptr<postgres::Session> session, catalogue::Catalogue& catalogue,
                         Config config)
    : session_(std::move(session)),
      catalogue_(catalogue),
      config_(std::move(config)),
      decoder_(codec::Limits{}) {}

worker::Result FillHandler::handle(std::span<const worker::Member> batch) {
    worker::Result result;
    Telling telling(config_);
    for (const auto& member : batch) {
        const auto* doorbell = std::get_if<message::StockFill>(&member.event.payload);
        if (doorbell == nullptr) {
            result.verdicts.push_back(
                outcome::Park{"unknown_type", "the fill queue takes cartwright.stock.fill.v1 only"});
            continue;
        }
        Walk walk;
        walk.doorbell = member.event.envelope.id.str();
        walk.again.insert(doorbell->positions.begin(), doorbell->positions.end());
        forget_cancelled(walk.doorbell);
        do {
            begin_again(walk);
            while (!walk.ended) fill_page(walk, telling);
            // Behind the walk, because its locks waited for whoever had this doorbell before and may have
            // died after sending its commit.
            if (walk.again.empty()) publish_again(walk, telling);
        } while (!walk.again.empty());
        forget_rejected(walk);
        result.verdicts.push_back(outcome::Done{});
    }
    result.outgoing = telling.take();
    return result;
}

/// The rows of a held order that was cancelled waited for this doorbell.
void FillHandler::forget_cancelled(const std::string& doorbell) {
    if (!doorbell.starts_with(let_go_prefix)) return;
    session_->transaction([&](Transaction& transaction) {
        transaction.run(query::delete_held_order, {doorbell.substr(let_go_prefix.size())});
    });
}

/// From the oldest once more, for the offers that this is due for.
void FillHandler::begin_again(Walk& walk) {
    Walk fresh;
    fresh.doorbell = walk.doorbell;
    fresh.told = std::move(walk.told);
    fresh.offers.assign(walk.again.begin(), walk.again.end());
    fresh.rejected = std::move(walk.rejected);
    walk = std::move(fresh);
}

/// Until here the rows of what was rejected said what it had kept from younger ones, should this worker die.
void FillHandler::forget_rejected(const Walk& walk) {
    if (walk.rejected.empty()) return;
    session_->transaction([&](Transaction& transaction) {
        for (const auto& order_id : walk.rejected)
            transaction.run(query::delete_held_order, {order_id.str()});
    });
}

/// What this doorbell filled before its worker died is published and answered again, as it was stored or as
/// it has become, and the walk goes on for what those orders wanted.
void FillHandler::publish_again(Walk& walk, Telling& telling) {
    std::set<OfferKey> filled_offers, rejected_offers;
    std::set<OrderId> rejected, told;
    Telling again(config_);
    session_->transaction([&](Transaction& transaction) {
        again = Telling(config_);
        filled_offers.clear();
        rejected_offers.clear();
        rejected.clear();
        told.clear();
        const auto rows = transaction.run(query::read_filled, {walk.doorbell});
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const OrderState state{OrderId(std::string(rows.text(i, 0))), std::string(rows.text(i, 1)),
                                   std::string(rows.text(i, 2))};
            if (walk.told.contains(state.order_id)) continue;
            told.insert(state.order_id);
            if (const auto order = order_of(decoder_, state)) add_offers(*order, filled_offers);
            if (state.state == "rejected") rejected.insert(state.order_id);
            again.order(state, {});
            if (!rows.is_null(i, 3))
                again.answer(std::string(rows.text(i, 3)), std::string(rows.text(i, 4)), state);
        }
        rejected_offers = held_offers(transaction, rejected);
        ring_positions(transaction, filled_offers, again);
    });
    walk.told.merge(told);
    telling.absorb(std::move(again));
    walk.again.merge(filled_offers);
    walk.again.merge(rejected_offers);
    walk.rejected.merge(rejected);
}

FillHandler::Page FillHandler::read_page(Transaction& transaction, const Walk& walk) const {
    Array sellers, skus;
    for (const auto& offer : walk.offers) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
    }
    const auto limit = std::to_string(config_.fill_orders_max);
    const auto rows = transaction.run(query::read_held,
                                      {sellers.str(), skus.str(), walk.after_time, walk.after_order, limit});
    Page page;
    for (std::size_t i = 0; i < rows.size(); ++i) page.orders.emplace_back(std::string(rows.text(i, 1)));
    if (!rows.empty()) {
        page.last_time = rows.text(rows.size() - 1, 0);
        page.last_order = rows.text(rows.size() - 1, 1);
    }
    return page;
}

/// In the page's order; those that are no longer pending are left out.
std::vector<FillHandler::Held> FillHandler::lock_held(Transaction& transaction, const Page& page) {
    auto sorted = page.orders;
    std::sort(sorted.begin(), sorted.end());
    Array ids;
    for (const auto& order_id : sorted) ids.add(order_id.str());
    const auto rows = transaction.run(query::lock_orders, {ids.str()});
    std::map<OrderId, Held> by_id;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const OrderState state{OrderId(std::string(rows.text(i, 0))), std::string(rows.text(i, 1)),
                               std::string(rows.text(i, 2))};
        if (state.state != "pending") continue;
        Held held{place(std::move(*order_of(decoder_, state)), now(), source), {}, {}};
        if (!rows.is_null(i, 3)) held.reply_to = rows.text(i, 3);
        if (!rows.is_null(i, 4)) held.correlation_id = rows.text(i, 4);
        by_id.emplace(state.order_id, std::move(held));
    }
    std::vector<Held> ordered;
    for (const auto& order_id : page.orders) {
        if (auto found = by_id.find(order_id); found != by_id.end())
            ordered.push_back(std::move(found->second));
    }
    return ordered;
}

/// Prices are not checked a second time; whether seller and offer are still active is.
std::vector<Rejection> FillHandler::unsellable_lines(const Order& order) {
    std::vector<Sku> skus;
    for (const auto& part : order.sellers) {
        for (const auto& line : part.lines) skus.push_back(line.sku);
    }
    const auto look = [&](const OffersBySku& offers) {
        std::vector<Rejection> reasons;
        for (const auto& part : order.sellers) {
            for (const auto& line : part.lines) {
                const auto& known = *offers.at(line.sku);
                const auto offer = std::find_if(known.begin(), known.end(), [&](const auto& one) {
                    return one.seller_id == part.seller_id;
                });
                auto reason = offer == known.end()
                                  ? Rejection{{}, line.sku, rejection::unknown_sku, "it is no longer offered"}
                                  : unsellable(*offer);
                if (reason.code.empty()) continue;
                reason.line_id = line.line_id;
                reasons.push_back(std::move(reason));
            }
        }
        return reasons;
    };
    auto reasons = look(catalogue_.offers(skus));
    return reasons.empty() ? reasons : look(catalogue_.fresh_offers(skus));
}

void FillHandler::fill_page(Walk& walk, Telling& telling) {
    Walk next = walk;
    Telling told(config_);
    with_wider_locks(*session_, [&](Transaction& transaction, const std::set<OfferKey>& widened) {
        next = walk;
        told = Telling(config_);
        const auto page = read_page(transaction, walk);
        next.after_time = page.last_time;
        next.after_order = page.last_order;
        next.ended = page.orders.size() < config_.fill_orders_max;
        if (page.orders.empty()) return;
        auto held = lock_held(transaction, page);
        std::set<OfferKey> offers(walk.offers.begin(), walk.offers.end());
        std::vector<OrderState> decided(held.size());
        std::vector<const OrderDemand*> demands;
        std::vector<std::size_t> demanding;
        std::set<SellerId> sellers;
        for (std::size_t i = 0; i < held.size(); ++i) {
            const auto& order = held[i].placing.order;
            if (auto reasons = unsellable_lines(order); !reasons.empty()) {
                decided[i] = rejected(order.order_id, std::move(reasons));
                continue;
            }
            demands.push_back(&held[i].placing.demand);
            demanding.push_back(i);
            add_offers(order, offers);
            for (const auto& part : order.sellers) sellers.insert(part.seller_id);
        }
        const std::vector<SellerId> ranked(sellers.begin(), sellers.end());
        const auto ranks = catalogue_.warehouses(ranked);
        Taking taking(transaction, ranks, config_.default_warehouse, widened);
        const std::vector<OfferKey> by_index(offers.begin(), offers.end());
        taking.read(by_index);
        std::vector<bool> blocked;
        const auto decide = [&](std::span<const stock::Demand> wanted, stock::Shelf& shelf) {
            blocked.assign(by_index.size(), false);
            for (std::size_t i = 0; i < by_index.size(); ++i) blocked[i] = walk.blocked.contains(by_index[i]);
            return stock::fill(wanted, shelf, config_.fill_order, blocked);
        };
        const auto indexed = taking.indexed(demands);
        const auto decisions = taking.take(demands, indexed, decide, taking.plan(indexed, decide));
        for (std::size_t i = 0; i < decisions.size(); ++i) {
            if (decisions[i].fate != stock::Fate::reserved) continue;
            decided[demanding[i]] = outcome_of(held[demanding[i]].placing, decisions[i], taking);
        }
        for (std::size_t i = 0; i < by_index.size(); ++i) {
            if (blocked[i]) next.blocked.insert(by_index[i]);
        }
        const auto nothing_left = [&](const OfferKey& offer) {
            const bool kept =
                config_.fill_order == stock::FillOrder::oldest_first && next.blocked.contains(offer);
            return kept || taking.available(offer) <= 0;
        };
        next.ended = next.ended || std::all_of(walk.offers.begin(), walk.offers.end(), nothing_left);
        write(transaction, next, held, decided, told);
        for (const auto& state : decided) {
            if (!state.state.empty()) next.told.insert(state.order_id);
        }
        for (const auto& changed : taking.changed()) told.position(changed);
    });
    walk = next;
    telling.absorb(std::move(told));
}

/// What those that wait no more kept from younger orders is free, also where nothing has risen.
void FillHandler::write(Transaction& transaction, Walk& walk, const std::vector<Held>& held,
                        const std::vector<OrderState>& decided, Telling& telling) {
    std::map<OrderId, std::size_t> by_id;
    std::set<std::pair<OfferKey, OrderId>> no_longer_held;
    for (std::size_t i = 0; i < held.size(); ++i) {
        if (decided[i].state.empty()) continue;
        by_id.emplace(decided[i].order_id, i);
        const bool rejected = decided[i].state == "rejected";
        if (rejected) walk.rejected.insert(decided[i].order_id);
        for (const auto& line : held[i].placing.demand.lines) {
            walk.again.insert(line.offer);
            if (!rejected) no_longer_held.insert({line.offer, decided[i].order_id});
        }
        telling.order(decided[i], {});
        telling.answer(held[i].reply_to, held[i].correlation_id, decided[i]);
    }
    if (by_id.empty()) return;
    Array ids, states, answers, filled_by;
    for (const auto& [order_id, index] : by_id) {
        ids.add(order_id.str());
        states.add(decided[index].state);
        answers.add(decided[index].answer);
        filled_by.add(walk.doorbell);
    }
    const auto rows =
        transaction.run(query::decide_orders, {ids.str(), states.str(), answers.str(), filled_by.str()});
    CARTWRIGHT_ASSERT(rows.affected() == by_id.size());
    if (no_longer_held.empty()) return;
    Array sellers, skus, orders;
    for (const auto& [offer, order_id] : no_longer_held) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
        orders.add(order_id.str());
    }
    transaction.run(query::delete_held, {sellers.str(), skus.str(), orders.str()});
}

}  // namespace cartwright::reserver
