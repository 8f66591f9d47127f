// Takes units for carts in one transaction: read, plan, lock and take in one statement, decide again under
// the locks where something is short, write reservations and ledger.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/catalogue/catalogue.hpp"
#include "common/message/event.hpp"
#include "common/postgres/session.hpp"
#include "common/stock/allocation.hpp"
#include "workers/reserver/known_positions.hpp"

namespace cartwright::reserver {

/// What one order asks for. Lines name their offer by its key.
struct OrderDemand {
    struct Line {
        LineId line_id;
        OfferKey offer;
        std::int64_t quantity = 0;
    };
    OrderId order_id;
    ShortagePolicy policy = ShortagePolicy::all_or_nothing;
    Timestamp occurred_at;
    std::string source;
    std::vector<Line> lines;
};

using Demands = std::span<const OrderDemand* const>;

/// Thrown inside the transaction when more positions have to be locked than were: the transaction is run
/// again, with every position of these offers locked from the start, so that the order of locks holds.
struct WidenLocks {
    std::set<OfferKey> offers;
};

using Decide = std::function<std::vector<stock::Decision>(std::span<const stock::Demand>, stock::Shelf&)>;
using Ranks = std::unordered_map<SellerId, catalogue::Warehouses>;

/// One transaction's work; made anew for each run of it.
class Taking {
  public:
    /// `widened`: offers of which every position is locked from the start. `known`: what may be remembered
    /// instead of read, or null.
    Taking(postgres::Transaction& transaction, const Ranks& ranks, std::string default_warehouse,
           const std::set<OfferKey>& widened, KnownPositions* known = nullptr);

    /// Reads the positions of offers without a lock, or remembers them; an offer without any gets an empty
    /// one, so that there is a row to lock. `offers` is sorted and without repeats.
    void read(std::span<const OfferKey> offers);
    /// What is available of an offer over all warehouses, as read.
    std::int64_t available(const OfferKey& offer) const;

    /// Demands as `stock` knows them, one each; all their offers were read.
    std::vector<stock::Demand> indexed(Demands demands) const;
    /// Decides on what was read, in the given order. One decision a demand.
    std::vector<stock::Decision> plan(std::span<const stock::Demand> indexed, const Decide& decide) const;
    /// Locks, takes what was planned, and decides again under the locks where something is short. `indexed`
    /// are those of `demands`.
    std::vector<stock::Decision> take(Demands demands, std::span<const stock::Demand> indexed,
                                      const Decide& decide, std::vector<stock::Decision> planned);

    /// The warehouse of a take.
    const PositionKey& position(std::size_t index) const { return rows_[index].key; }
    /// Positions that were changed, as they are now.
    std::vector<message::StockChanged> changed() const;

  private:
    struct Row {
        PositionKey key;
        std::size_t offer = 0;
        std::int64_t on_hand = 0, reserved = 0, shortfall = 0, version = 0;
        std::size_t rank = 0;  ///< among the locked ones, in order of their keys
        bool locked = false;
        bool written = false;
    };
    struct Wanted {
        std::int64_t units = 0;
        std::int64_t events = 0;
    };

    /// Units of a line of a demand from a position.
    struct Taken {
        std::size_t position, demand, line;
        std::int64_t units;
    };

    void load(std::span<const OfferKey> offers);
    bool remember(std::size_t offer);
    std::optional<std::size_t> row_of(std::size_t offer, std::string_view warehouse) const;
    std::size_t offer_at(const postgres::Rows& rows, std::size_t row) const;
    std::size_t row_at(const postgres::Rows& rows, std::size_t row, std::size_t expected) const;
    void note(const std::map<std::size_t, Wanted>& taken);
    stock::Shelf shelf() const;
    std::map<std::size_t, Wanted> wanted(std::span<const stock::Decision> decisions) const;
    void add_chains(const std::set<std::size_t>& offers, std::map<std::size_t, Wanted>& lock) const;
    std::set<std::size_t> lock_and_take(const std::map<std::size_t, Wanted>& lock);
    void require_whole_chains(const std::set<std::size_t>& offers);
    void require_locks(const std::set<std::size_t>& short_of, const std::set<std::size_t>& whole_chains,
                       const std::map<std::size_t, Wanted>& taken) const;
    void set_decided(const std::map<std::size_t, Wanted>& taken,
                     const std::map<std::size_t, Wanted>& decided);
    std::vector<Taken> in_order_of_keys(std::span<const stock::Decision> decisions) const;
    void write(Demands demands, std::span<const stock::Decision> decisions);

    postgres::Transaction& transaction_;
    const Ranks& ranks_;
    std::string default_warehouse_;
    const std::set<OfferKey>& widened_;
    KnownPositions* known_;
    const KnownPositions::Clock::time_point now_ = KnownPositions::Clock::now();
    std::vector<OfferKey> offers_;
    std::unordered_map<OfferKey, std::size_t> offer_index_;
    std::vector<std::vector<std::size_t>> chains_;
    std::vector<Row> rows_;
};

/// Runs a transaction again with wider locks for as long as it asks for them. Throws as Session::transaction
/// does.
void with_wider_locks(
    postgres::Session& session,
    const std::function<void(postgres::Transaction&, const std::set<OfferKey>& widened)>& body);

}  // namespace cartwright::reserver
