// Cancellations of orders, whole or by line, within a transaction of movements.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/codec/decode.hpp"
#include "common/outcome/verdict.hpp"
#include "workers/reserver/ledger.hpp"
#include "workers/reserver/telling.hpp"

namespace cartwright::reserver {

struct CancellationOutcome {
    outcome::Verdict verdict;
    std::optional<OrderState> answer;     ///< the order's present state
    std::optional<OrderState> announced;  ///< what the splitter is to hear
    std::string suffix;                   ///< sets a partial cancellation's event apart
    bool give_up_claim = false;           ///< nothing was done: it may be asked for again
};

/// The `orders` row is the claim of a cart and of its whole cancellation: a cancellation that overtakes its
/// cart leaves the row behind, and the cart is then not reserved. Partial cancellations are claimed by their
/// event.
class Cancelling {
  public:
    Cancelling(postgres::Transaction& transaction, codec::Decoder& decoder, Ledger& ledger)
        : transaction_(transaction), decoder_(decoder), ledger_(ledger) {}

    void add(const EventId& event_id, const message::OrderCancellation& cancellation, bool claimed);
    /// Locks the orders of everything added.
    void lock_orders();
    /// The lines whose reservations have to be locked.
    std::set<LineKey> lines() const;
    /// What earlier copies of these cancellations let go: whoever did that may have died before it told of
    /// it.
    std::set<OfferKey> let_go_before();
    /// Folds one cancellation; call in order of arrival.
    CancellationOutcome fold(const message::OrderCancellation& cancellation, const EventId& event_id,
                             const std::string& source, bool claimed);
    /// Writes orders and stored answers.
    void write();
    /// What held orders that were cancelled, now or by an earlier copy of a cancellation, kept from younger
    /// ones. Their rows stay until the fill lane has looked.
    std::map<OrderId, std::set<OfferKey>> let_go();

  private:
    struct Known {
        OrderState state;
        std::optional<Order> order;  ///< while it holds or waits for stock
        bool changed = false;
    };
    struct Wanted {
        EventId event_id;
        const message::OrderCancellation* cancellation;
        bool claimed;
    };
    void insert_tombstones();
    CancellationOutcome cancel_whole(Known& known, const message::OrderCancellation& cancellation,
                                     const Cause& cause);
    CancellationOutcome cancel_lines(Known& known, const message::OrderCancellation& cancellation,
                                     const Cause& cause);
    CancellationOutcome repeat_lines(const Known& known, const EventId& event_id);
    void read_repeated_lines();
    std::int64_t release(const LineKey& line, std::int64_t units, const Cause& cause);
    std::int64_t open_units(const LineKey& line);
    std::int64_t dispatched_units(const Known& known);

    postgres::Transaction& transaction_;
    codec::Decoder& decoder_;
    Ledger& ledger_;
    std::vector<Wanted> wanted_;
    std::map<OrderId, Known> known_;
    std::map<EventId, std::string> stored_answers_;  ///< of partial cancellations that this transaction does
    std::map<EventId, std::string> repeated_answers_;  ///< of those that were done before
    std::map<OrderId, std::set<OfferKey>> let_go_;
    std::set<OrderId> repeated_;  ///< cancelled before, and once more
};

}  // namespace cartwright::reserver
