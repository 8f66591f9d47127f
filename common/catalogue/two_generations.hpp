// A map that stays within a weight: what was not asked for longest leaves first, roughly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>

namespace cartwright::catalogue {

/// Entries live in a young or an old generation. When the young one reaches half the weight, the old one is
/// dropped and the young one becomes old; an old entry that is asked for is young again. Not for several
/// threads.
template <class Key, class Value>
class TwoGenerations {
  public:
    explicit TwoGenerations(std::size_t weight_max) : half_max_(weight_max / 2) {}

    /// Null where there is none; valid until the next call.
    const Value* find(const Key& key) {
        if (const auto found = young_.items.find(key); found != young_.items.end())
            return &found->second.value;
        auto moving = old_.items.extract(key);
        if (moving.empty()) return nullptr;
        Item item = std::move(moving.mapped());
        old_.weight -= item.weight;
        if (!fits(item.weight)) return nullptr;
        return &add(key, std::move(item));
    }

    /// Replaces. What alone is heavier than half the bound is not kept.
    void put(const Key& key, Value value, std::size_t weight) {
        if (const auto found = young_.items.find(key);
            found != young_.items.end() && found->second.weight == weight) {
            found->second.value = std::move(value);
            return;
        }
        erase(key);
        if (fits(weight)) add(key, Item{std::move(value), weight});
    }

    void erase(const Key& key) {
        for (Generation* generation : {&young_, &old_}) {
            const auto found = generation->items.find(key);
            if (found == generation->items.end()) continue;
            generation->weight -= found->second.weight;
            generation->items.erase(found);
        }
    }

    void clear() {
        young_ = {};
        old_ = {};
    }

    std::size_t size() const { return young_.items.size() + old_.items.size(); }
    std::size_t weight() const { return young_.weight + old_.weight; }
    std::uint64_t evictions() const { return evictions_; }

  private:
    struct Item {
        Value value;
        std::size_t weight;
    };
    struct Generation {
        std::unordered_map<Key, Item> items;
        std::size_t weight = 0;
    };

    bool fits(std::size_t weight) const { return weight <= half_max_; }

    const Value& add(const Key& key, Item item) {
        if (young_.weight + item.weight > half_max_) {
            evictions_ += old_.items.size();
            old_ = std::exchange(young_, {});
        }
        young_.weight += item.weight;
        return young_.items.insert_or_assign(key, std::move(item)).first->second.value;
    }

    std::size_t half_max_;
    Generation young_, old_;
    std::uint64_t evictions_ = 0;
};

}  // namespace cartwright::catalogue
