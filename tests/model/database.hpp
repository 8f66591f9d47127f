// A PostgreSQL without a server: transactions under READ COMMITTED. Every statement sees what was committed
// when it began; a statement that writes rows locks them one by one in the order of its keys, waits for
// whoever has locked them, and goes on with the row as it then is. An insert waits for a transaction that
// inserts the same key. Who dies is rolled back, who waits in a circle is a deadlock.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/order/time.hpp"
#include "tests/model/scheduler.hpp"
#include "tests/model/table.hpp"

namespace cartwright::model {

using Text = std::string;
using Number = std::int64_t;
using MaybeText = std::optional<std::string>;
using MaybeNumber = std::optional<std::int64_t>;

struct OrderRow {
    Text state;
    MaybeText hash;
    Text answer;
    MaybeText filled_by, reply_to, correlation_id;
};
struct PositionRow {
    Number on_hand = 0, reserved = 0, shortfall = 0, version = 0, last_taken = 0;
    std::optional<Timestamp> counted_at;
};
struct EventRow {
    Text kind;
    Number on_hand = 0, reserved = 0, shortfall = 0;
    Text cause;
    MaybeText order_id;
    Timestamp occurred_at;
};
struct ReservationRow {
    Text sku;
    Number reserved = 0, open = 0, dispatched = 0, released = 0, returned = 0;
};
struct HeldRow {};
struct InboxRow {
    MaybeText answer;
};
struct StreamRow {
    Number last_assigned = 0;
};
struct MessageRow {
    Text order_id, kind, body;
};
struct DeliveryRow {
    Number last_delivered = 0, claimed_from = 0, attempts = 0, tried = 0, doubtful = 0, replaced = 0;
    Number lease_epoch = 0;
    MaybeNumber next_attempt_at, next_from, refused, failing_since, lease_until;  ///< times in µs
    MaybeText trouble, held_for, next_destination;
    Text destination, wished;
    std::string lease_holder;  ///< the model's own: which process took the newest lease
};
struct RulesRow {
    Number activated_at = 0;
};
struct SwitchRow {
    Number from = 0;
    Text previous, destination;
};

using OrderKey = Text;
using Position = std::tuple<Text, Text, Text>;                ///< seller, SKU, warehouse
using EventPlace = std::tuple<Text, Text, Text, Number>;      ///< and version
using ReservationPlace = std::tuple<Text, Text, Text, Text>;  ///< seller, order, line, warehouse
using HeldKey = std::tuple<Text, Text, Number, Text>;         ///< seller, SKU, held at, order
using InboxKey = std::pair<Text, Text>;                       ///< id, item
using Stream = std::pair<Text, Text>;                         ///< seller, stream
using MessagePlace = std::tuple<Text, Text, Number>;
using SwitchKey = std::tuple<Text, Text, Number>;  ///< seller, stream, decided at

/// A transaction.
struct Work {
    Process* process = nullptr;
    std::string lane;  ///< the actor whose transaction it is
    std::int64_t begun_us = 0;
    bool broken = false;  ///< the server has ended it
    bool routes_locked = false;
    Work* const* waits_for = nullptr;
    std::vector<std::pair<TableBase*, void*>> touched;
    /// Writes of claims that did not wait for anybody (only where that rule is taken away).
    std::vector<std::function<void()>> unlocked_writes;
    std::vector<HeldKey> held_at_begin;
    std::vector<Text> unseen_at_claim;  ///< orders that the claim's own snapshot did not have
};

/// A deadlock: the closure is run again.
struct Deadlock {};
/// A unique key or CHECK constraint.
struct Violation {
    std::string what;
};

class Database {
  public:
    explicit Database(Scheduler& scheduler) : scheduler_(scheduler) {}

    void commit(Work& work);
    void roll_back(Work& work);

    /// Locks a row for `work`, waiting for whoever has it; afterwards pending is the row as it is now.
    template <class K, class R>
    void lock(Work& work, Table<K, R>& table, typename Table<K, R>::Slot& slot) {
        if (slot.owner == &work) return;
        while (slot.owner != nullptr) wait_for(work, slot.owner);
        slot.owner = &work;
        slot.pending = slot.committed;
        work.touched.emplace_back(&table, &slot);
    }

    /// Locks a row that the statement saw when it began; null when it is gone meanwhile.
    template <class K, class R>
    R* lock_seen(Work& work, Table<K, R>& table, typename Table<K, R>::Slot* slot) {
        if (slot == nullptr) return nullptr;
        lock(work, table, *slot);
        return slot->pending ? &*slot->pending : nullptr;
    }

    /// The slot of a row that the statement sees; null when it sees none.
    template <class K, class R>
    typename Table<K, R>::Slot* seen(const Work& work, Table<K, R>& table, const K& key) {
        auto* slot = table.existing(key);
        return slot != nullptr && Table<K, R>::visible(*slot, &work) != nullptr ? slot : nullptr;
    }

    /// INSERT … ON CONFLICT DO NOTHING: true when it inserted.
    template <class K, class R>
    bool insert_if_absent(Work& work, Table<K, R>& table, const K& key, R row) {
        auto& slot = table.slot(key);
        if (slot.owner != &work) {
            while (slot.owner != nullptr) wait_for(work, slot.owner);
            if (slot.committed) return false;
            lock(work, table, slot);
        }
        if (slot.pending) return false;
        slot.pending = std::move(row);
        return true;
    }

    template <class K, class R>
    void insert(Work& work, Table<K, R>& table, const K& key, R row, const char* name) {
        if (!insert_if_absent(work, table, key, std::move(row)))
            throw Violation{std::string("duplicate key in ") + name};
    }

    Table<OrderKey, OrderRow> orders;
    Table<Position, PositionRow> positions;
    Table<EventPlace, EventRow> events;
    Table<ReservationPlace, ReservationRow> reservations;
    Table<HeldKey, HeldRow> held_lines;
    Table<InboxKey, InboxRow> inbox;
    Table<Stream, StreamRow> streams;
    Table<MessagePlace, MessageRow> messages;
    Table<Stream, DeliveryRow> deliveries;
    Table<Text, RulesRow> rules;
    Table<SwitchKey, SwitchRow> switches;

    std::function<void(const Work&)> on_commit;
    std::vector<Work*> open_works;
    const Work* committing = nullptr;

  private:
    void wait_for(Work& work, Work* const& owner);

    Scheduler& scheduler_;
};

}  // namespace cartwright::model
