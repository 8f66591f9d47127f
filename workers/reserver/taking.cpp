#include "workers/reserver/taking.hpp"

#include <algorithm>
#include <tuple>

#include "common/outcome/trouble.hpp"
#include "workers/reserver/queries.hpp"
#include "workers/reserver/rows.hpp"

namespace cartwright::reserver {
namespace {

using postgres::Array;
using postgres::NewRows;
using postgres::Rows;

/// Offers of which a decision leaves a line short.
std::set<std::size_t> short_offers(std::span<const stock::Demand> demands,
                                   std::span<const stock::Decision> decisions) {
    std::set<std::size_t> offers;
    for (std::size_t i = 0; i < demands.size(); ++i) {
        for (const auto line : decisions[i].short_lines) offers.insert(demands[i].lines[line].offer);
    }
    return offers;
}

}  // namespace

Taking::Taking(postgres::Transaction& transaction, const Ranks& ranks, std::string default_warehouse,
               const std::set<OfferKey>& widened, KnownPositions* known)
    : transaction_(transaction),
      ranks_(ranks),
      default_warehouse_(std::move(default_warehouse)),
      widened_(widened),
      known_(known) {}

void Taking::read(std::span<const OfferKey> offers) {
    std::vector<OfferKey> unknown;
    for (const auto& offer : offers) {
        const auto [found, added] = offer_index_.try_emplace(offer, offers_.size());
        if (added) {
            offers_.push_back(offer);
            chains_.emplace_back();
        }
        if (!remember(found->second)) unknown.push_back(offer);
    }
    if (unknown.empty()) return;
    load(unknown);
    Array sellers, skus, warehouses;
    std::vector<OfferKey> missing;
    for (const auto& offer : unknown) {
        if (!chains_[offer_index_.at(offer)].empty()) continue;
        missing.push_back(offer);
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
        warehouses.add(default_warehouse_);
    }
    if (missing.empty()) return;
    transaction_.run(query::insert_positions, {sellers.str(), skus.str(), warehouses.str()});
    load(missing);
}

/// False where the offer has to be read. After a run that found an offer short, it is.
bool Taking::remember(std::size_t offer) {
    const auto& key = offers_[offer];
    if (known_ == nullptr || widened_.contains(key)) return false;
    const auto* found = known_->find(key, now_);
    if (found == nullptr) return false;
    if (!chains_[offer].empty()) return true;
    chains_[offer].push_back(rows_.size());
    rows_.push_back({{key.seller_id, key.sku, found->warehouse},
                     offer,
                     found->on_hand,
                     found->reserved,
                     found->shortfall,
                     found->version});
    return true;
}

/// What the locks showed of offers that lie in one place.
void Taking::note(const std::map<std::size_t, Wanted>& taken) {
    if (known_ == nullptr) return;
    for (const auto& [index, units] : taken) {
        const auto& row = rows_[index];
        if (chains_[row.offer].size() == 1) {
            known_->note(offers_[row.offer],
                         {row.key.warehouse, row.on_hand, row.reserved, row.shortfall, row.version},
                         units.units, now_);
        } else {
            known_->forget(offers_[row.offer]);
        }
    }
}

/// The row of an offer in a warehouse; nothing when it is not known.
std::optional<std::size_t> Taking::row_of(std::size_t offer, std::string_view warehouse) const {
    for (const auto row : chains_[offer])
        if (rows_[row].key.warehouse.str() == warehouse) return row;
    return std::nullopt;
}

/// Of a row that begins with seller and SKU.
std::size_t Taking::offer_at(const Rows& rows, std::size_t row) const {
    return offer_index_.at({SellerId(std::string(rows.text(row, 0))), Sku(std::string(rows.text(row, 1)))});
}

/// Adds the positions of these offers that are not known yet, and puts the chains in order of rank.
void Taking::load(std::span<const OfferKey> offers) {
    Array sellers, skus;
    for (const auto& offer : offers) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
    }
    const auto rows = transaction_.run(query::read_positions, {sellers.str(), skus.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto offer = offer_at(rows, i);
        if (row_of(offer, rows.text(i, 2))) continue;
        chains_[offer].push_back(rows_.size());
        rows_.push_back(
            {{offers_[offer].seller_id, offers_[offer].sku, WarehouseId(std::string(rows.text(i, 2)))},
             offer,
             rows.integer(i, 3),
             rows.integer(i, 4),
             rows.integer(i, 5),
             rows.integer(i, 6)});
    }
    for (const auto& offer : offers) {
        auto& chain = chains_[offer_index_.at(offer)];
        if (chain.size() < 2) continue;
        const auto found = ranks_.find(offer.seller_id);
        const auto rank = [&](std::size_t row) {
            if (found == ranks_.end()) return std::size_t{0};
            const auto& named = *found->second;
            return static_cast<std::size_t>(std::find(named.begin(), named.end(), rows_[row].key.warehouse) -
                                            named.begin());
        };
        std::sort(chain.begin(), chain.end(), [&](std::size_t left, std::size_t right) {
            return std::pair(rank(left), rows_[left].key.warehouse) <
                   std::pair(rank(right), rows_[right].key.warehouse);
        });
    }
}

std::int64_t Taking::available(const OfferKey& offer) const {
    std::int64_t sum = 0;
    for (const auto row : chains_[offer_index_.at(offer)]) sum += rows_[row].on_hand - rows_[row].reserved;
    return sum;
}

stock::Shelf Taking::shelf() const {
    stock::Shelf shelf;
    shelf.positions.reserve(rows_.size());
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> warehouses;
    for (const auto& row : rows_) {
        const auto [found, added] =
            warehouses.try_emplace({row.key.seller_id.str(), row.key.warehouse.str()}, warehouses.size());
        shelf.positions.push_back({found->second, row.on_hand - row.reserved});
    }
    shelf.chains = chains_;
    return shelf;
}

std::vector<stock::Demand> Taking::indexed(Demands demands) const {
    std::unordered_map<std::string_view, std::size_t> sellers;
    std::vector<stock::Demand> result;
    result.reserve(demands.size());
    for (const auto* demand : demands) {
        auto& indexed = result.emplace_back();
        indexed.policy = demand->policy;
        indexed.lines.reserve(demand->lines.size());
        for (const auto& line : demand->lines) {
            const auto seller = sellers.try_emplace(line.offer.seller_id.str(), sellers.size()).first->second;
            indexed.lines.push_back({seller, offer_index_.at(line.offer), line.quantity});
        }
    }
    return result;
}

/// Units and ledger rows per position: one row an order and position, however many of its lines share it.
std::map<std::size_t, Taking::Wanted> Taking::wanted(std::span<const stock::Decision> decisions) const {
    std::map<std::size_t, Wanted> result;
    std::vector<std::size_t> positions;
    for (const auto& decision : decisions) {
        positions.clear();
        for (const auto& take : decision.takes) {
            result[take.position].units += take.quantity;
            positions.push_back(take.position);
        }
        std::sort(positions.begin(), positions.end());
        positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
        for (const auto position : positions) ++result[position].events;
    }
    return result;
}

void Taking::add_chains(const std::set<std::size_t>& offers, std::map<std::size_t, Wanted>& lock) const {
    for (const auto offer : offers) {
        for (const auto row : chains_[offer]) lock.try_emplace(row);
    }
}

/// The row that a statement tells of, which is most probably the expected one.
std::size_t Taking::row_at(const Rows& rows, std::size_t row, std::size_t expected) const {
    const auto& key = rows_[expected].key;
    if (rows.text(row, 0) == key.seller_id.str() && rows.text(row, 1) == key.sku.str() &&
        rows.text(row, 2) == key.warehouse.str())
        return expected;
    return row_of(offer_at(rows, row), rows.text(row, 2)).value();
}

/// Returns the offers of positions that were short. Rows are then as the statement left them.
std::set<std::size_t> Taking::lock_and_take(const std::map<std::size_t, Wanted>& lock) {
    std::vector<std::size_t> order;
    for (const auto& entry : lock) order.push_back(entry.first);
    std::sort(order.begin(), order.end(),
              [&](std::size_t left, std::size_t right) { return rows_[left].key < rows_[right].key; });
    Array sellers, skus, warehouses, units, events;
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
        const auto row = order[rank];
        rows_[row].rank = rank;
        sellers.add(rows_[row].key.seller_id.str());
        skus.add(rows_[row].key.sku.str());
        warehouses.add(rows_[row].key.warehouse.str());
        units.add(lock.at(row).units);
        events.add(lock.at(row).events);
    }
    const auto rows = transaction_.run(
        query::take_units, {sellers.str(), skus.str(), warehouses.str(), units.str(), events.str()});
    if (rows.size() != order.size()) {  // one that was remembered is gone: all are read
        std::set<OfferKey> all;
        for (const auto row : order) all.insert(offers_[rows_[row].offer]);
        CARTWRIGHT_ASSERT(!std::includes(widened_.begin(), widened_.end(), all.begin(), all.end()));
        throw WidenLocks{all};
    }
    std::set<std::size_t> short_of;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto index = row_at(rows, i, order[i]);
        auto& row = rows_[index];
        row.on_hand = rows.integer(i, 3);
        row.reserved = rows.integer(i, 4);
        row.shortfall = rows.integer(i, 5);
        row.version = rows.integer(i, 6);
        row.locked = true;
        const auto& asked = lock.at(index);
        if (rows.integer(i, 7) != asked.units) {
            short_of.insert(row.offer);
        } else {
            row.written = asked.events > 0;
        }
    }
    return short_of;
}

/// Under the locks: a position of these offers that was not locked, or came into being since, sends the
/// transaction back to lock them all.
void Taking::require_whole_chains(const std::set<std::size_t>& offers) {
    std::set<OfferKey> keys;
    for (const auto offer : offers) keys.insert(offers_[offer]);
    load(std::vector<OfferKey>(keys.begin(), keys.end()));
    for (const auto offer : offers) {
        const auto& chain = chains_[offer];
        if (std::any_of(chain.begin(), chain.end(), [&](std::size_t row) { return !rows_[row].locked; })) {
            throw WidenLocks{keys};
        }
    }
}

/// A decision may rest on locked rows only: whoever is short, and every unit taken.
void Taking::require_locks(const std::set<std::size_t>& short_of, const std::set<std::size_t>& whole_chains,
                           const std::map<std::size_t, Wanted>& taken) const {
    std::set<OfferKey> unlocked;
    for (const auto offer : short_of) {
        if (!whole_chains.contains(offer)) unlocked.insert(offers_[offer]);
    }
    for (const auto& entry : taken) {
        const auto& row = rows_[entry.first];
        if (!row.locked) unlocked.insert(offers_[row.offer]);
    }
    if (unlocked.empty()) return;
    const auto was_widened = [&](const OfferKey& offer) { return widened_.contains(offer); };
    CARTWRIGHT_ASSERT(std::none_of(unlocked.begin(), unlocked.end(), was_widened));
    throw WidenLocks{unlocked};
}

void Taking::set_decided(const std::map<std::size_t, Wanted>& taken,
                         const std::map<std::size_t, Wanted>& decided) {
    std::map<PositionKey, std::size_t> differing;
    for (std::size_t index = 0; index < rows_.size(); ++index) {
        const auto before = taken.find(index);
        const auto after = decided.find(index);
        const auto had = before == taken.end() ? Wanted{} : before->second;
        const auto has = after == decided.end() ? Wanted{} : after->second;
        auto& row = rows_[index];
        row.written = has.events > 0;
        row.reserved += has.units;
        row.version += has.events;
        if (had.units != has.units || had.events != has.events) differing.emplace(row.key, index);
    }
    if (differing.empty()) return;
    Array sellers, skus, warehouses, reserved, versions;
    for (const auto& [key, index] : differing) {
        sellers.add(key.seller_id.str());
        skus.add(key.sku.str());
        warehouses.add(key.warehouse.str());
        reserved.add(rows_[index].reserved);
        versions.add(rows_[index].version);
    }
    const auto rows = transaction_.run(
        query::set_reserved, {sellers.str(), skus.str(), warehouses.str(), reserved.str(), versions.str()});
    CARTWRIGHT_ASSERT(rows.affected() == differing.size());
}

std::vector<stock::Decision> Taking::plan(std::span<const stock::Demand> indexed,
                                          const Decide& decide) const {
    auto as_read = shelf();
    return decide(indexed, as_read);
}

std::vector<stock::Decision> Taking::take(Demands demands, std::span<const stock::Demand> indexed,
                                          const Decide& decide, std::vector<stock::Decision> planned) {
    auto decisions = std::move(planned);
    auto short_of = short_offers(indexed, decisions);
    for (const auto& offer : widened_) {
        // Short in an earlier run, under the locks, whatever this plan makes of what is remembered.
        if (const auto found = offer_index_.find(offer); found != offer_index_.end())
            short_of.insert(found->second);
    }
    auto lock = wanted(decisions);
    add_chains(short_of, lock);
    if (lock.empty()) return decisions;
    const auto short_now = lock_and_take(lock);
    if (!short_now.empty() || !short_of.empty()) {
        short_of.insert(short_now.begin(), short_now.end());
        require_whole_chains(short_of);
        // What the statement took is put back in memory only; the decided values replace it in the table.
        auto taken = lock;
        for (auto& [index, units] : taken) {
            auto& row = rows_[index];
            if (!row.written) units = {};
            row.reserved -= units.units;
            row.version -= units.events;
        }
        auto under_locks = shelf();
        decisions = decide(indexed, under_locks);
        require_locks(short_offers(indexed, decisions), short_of, wanted(decisions));
        set_decided(taken, wanted(decisions));
    }
    note(lock);
    write(demands, decisions);
    return decisions;
}

std::vector<Taking::Taken> Taking::in_order_of_keys(std::span<const stock::Decision> decisions) const {
    std::vector<Taken> taken;
    for (std::size_t i = 0; i < decisions.size(); ++i) {
        for (const auto& take : decisions[i].takes)
            taken.push_back({take.position, i, take.line, take.quantity});
    }
    std::sort(taken.begin(), taken.end(), [&](const Taken& left, const Taken& right) {
        return std::tuple(rows_[left.position].rank, left.demand, left.line) <
               std::tuple(rows_[right.position].rank, right.demand, right.line);
    });
    return taken;
}

/// Neighbours in an index cost less than rows all over it.
void Taking::write(Demands demands, std::span<const stock::Decision> decisions) {
    NewRows reservations, events;
    std::vector<Taken> per_order;  // one an order and position, however many of its lines share it
    std::vector<std::int64_t> rows_of(rows_.size());
    const auto all = in_order_of_keys(decisions);
    reservations.reserve(all.size() * row_bytes);
    events.reserve(all.size() * row_bytes);
    for (const auto& taken : all) {
        const auto& demand = *demands[taken.demand];
        add(reservations, NewReservation{rows_[taken.position].key, demand.order_id.str(),
                                         demand.lines[taken.line].line_id.str(), taken.units});
        if (!per_order.empty() && per_order.back().position == taken.position &&
            per_order.back().demand == taken.demand) {
            per_order.back().units += taken.units;
        } else {
            per_order.push_back(taken);
            ++rows_of[taken.position];
        }
    }
    std::vector<std::string> occurred_at;
    for (const auto* demand : demands) occurred_at.push_back(to_rfc3339(demand->occurred_at));
    for (const auto& taken : per_order) {
        const auto& row = rows_[taken.position];
        const auto& demand = *demands[taken.demand];
        add(events, LedgerRow{.position = row.key,
                              .version = row.version - --rows_of[taken.position],
                              .kind = "reservation",
                              .deltas = {.reserved = taken.units},
                              .cause = demand.order_id.str(),
                              .order_id = demand.order_id.str(),
                              .source = demand.source,
                              .reason = {},
                              .occurred_at = occurred_at[taken.demand]});
    }
    transaction_.append(query::new_reservations, reservations);
    transaction_.append(query::new_events, events);
}

std::vector<message::StockChanged> Taking::changed() const {
    std::vector<message::StockChanged> result;
    for (const auto& row : rows_) {
        if (row.written) result.push_back({row.key, row.on_hand, row.reserved, row.shortfall, row.version});
    }
    return result;
}

void with_wider_locks(
    postgres::Session& session,
    const std::function<void(postgres::Transaction&, const std::set<OfferKey>& widened)>& body) {
    std::set<OfferKey> widened;
    for (;;) {
        try {
            return session.transaction(
                [&](postgres::Transaction& transaction) { body(transaction, widened); });
        } catch (const WidenLocks& wider) {
            // Ends: every turn adds an offer of the batch, or meets a position that was made in the meantime.
            widened.insert(wider.offers.begin(), wider.offers.end());
        }
    }
}

}  // namespace cartwright::reserver
