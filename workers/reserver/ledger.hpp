// Positions and reservations under lock while movements are folded into them, and what is written of it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/message/event.hpp"
#include "common/postgres/session.hpp"
#include "common/stock/movement.hpp"

namespace cartwright::reserver {

struct ReservationKey {
    SellerId seller_id;
    OrderId order_id;
    LineId line_id;
    WarehouseId warehouse;
    auto operator<=>(const ReservationKey&) const = default;
};

/// A line of an order, in whichever warehouses.
struct LineKey {
    SellerId seller_id;
    OrderId order_id;
    LineId line_id;
    auto operator<=>(const LineKey&) const = default;
};

struct LockedReservation {
    Sku sku;
    stock::Reservation now;
    bool changed = false;
};

struct LockedPosition {
    stock::Position before;
    stock::Position now;
};

/// Why a movement happened, for its ledger row.
struct Cause {
    std::string event_id;
    std::string source;
    OrderId order_id;  ///< empty when no order is concerned
    std::string reason;
};

/// One transaction's view. Locks reservations before positions, each sorted by key.
class Ledger {
  public:
    explicit Ledger(postgres::Transaction& transaction) : transaction_(transaction) {}

    void lock_reservations(const std::set<LineKey>& lines);
    /// The reservations of a line, in order of warehouse.
    std::vector<std::pair<const ReservationKey, LockedReservation>*> of_line(const LineKey& line);

    /// Which of these offers have no position at all.
    std::set<OfferKey> without_positions(const std::set<OfferKey>& offers);
    void insert_positions(const std::set<PositionKey>& positions);
    /// Locks every position of the offers.
    void lock_positions(const std::set<OfferKey>& offers);
    bool has(const PositionKey& key) const { return positions_.contains(key); }

    /// Folds one change into a position and appends its ledger row; false when it is a request that can't be
    /// granted.
    bool apply(const PositionKey& key, stock::Change change, const Cause& cause);

    /// Writes reservations, positions and ledger rows.
    void write();

    /// Every locked position, as it is now.
    std::vector<message::StockChanged> positions() const;
    /// Positions whose shortfall has grown, with the newest orders that it hits; with `again` every position
    /// that has one: whoever was to announce it may have died.
    std::vector<message::StockShortfall> shortfalls(std::size_t orders_max, bool again);

  private:
    struct Row {
        PositionKey key;
        std::int64_t version = 0;
        message::MovementKind kind = message::MovementKind::receipt;
        stock::Deltas deltas;
        Cause cause;
        Timestamp occurred_at;
    };
    std::int64_t physical_since(const PositionKey& key, Timestamp time);
    void write_reservations();
    void write_positions();
    void write_rows();

    postgres::Transaction& transaction_;
    std::map<ReservationKey, LockedReservation> reservations_;
    std::map<PositionKey, LockedPosition> positions_;
    std::vector<Row> rows_;
};

}  // namespace cartwright::reserver
