// One table of the model database: committed rows, and per row at most one transaction that has locked it
// with what it would make of it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace cartwright::model {

struct Work;

class TableBase {
  public:
    virtual ~TableBase() = default;
    virtual void commit(void* slot) = 0;
    virtual void release(void* slot) = 0;
};

template <class K, class R>
class Table : public TableBase {
  public:
    using Key = K;
    using Row = R;
    struct Slot {
        const Key* key = nullptr;
        std::optional<Row> committed;
        std::optional<Row> pending;  ///< of the owner
        Work* owner = nullptr;
    };
    using Slots = std::map<Key, Slot>;

    /// What a transaction sees of a row; null when there is none.
    static const Row* visible(const Slot& slot, const Work* work) {
        const auto& row = work != nullptr && slot.owner == work ? slot.pending : slot.committed;
        return row ? &*row : nullptr;
    }
    const Row* find(const Key& key, const Work* work) const {
        const auto found = slots_.find(key);
        return found == slots_.end() ? nullptr : visible(found->second, work);
    }
    /// Slots are never erased while the database lives.
    Slot& slot(const Key& key) {
        const auto [found, added] = slots_.try_emplace(key);
        if (added) found->second.key = &found->first;
        return found->second;
    }
    Slot* existing(const Key& key) {
        const auto found = slots_.find(key);
        return found == slots_.end() ? nullptr : &found->second;
    }
    Slots& slots() { return slots_; }
    const Slots& slots() const { return slots_; }

    /// Without a transaction.
    void put(const Key& key, Row row) {
        auto& place = slot(key);
        if (on_change) on_change(key, place.committed ? &*place.committed : nullptr, &row);
        place.committed = std::move(row);
    }

    /// Told of every row that a commit writes: before and after, null where there was or is none.
    std::function<void(const Key&, const Row*, const Row*)> on_change;

    void commit(void* at) override {
        auto& place = *static_cast<Slot*>(at);
        if (on_change && (place.committed || place.pending)) {
            on_change(*place.key, place.committed ? &*place.committed : nullptr,
                      place.pending ? &*place.pending : nullptr);
        }
        place.committed = std::move(place.pending);
        release(at);
    }
    void release(void* at) override {
        auto& place = *static_cast<Slot*>(at);
        place.pending.reset();
        place.owner = nullptr;
    }

  private:
    Slots slots_;
};

}  // namespace cartwright::model
