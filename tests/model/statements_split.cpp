// The splitter's statements.
#include "tests/model/statement.hpp"
#include "workers/splitter/queries.hpp"

namespace cartwright::model {
namespace {

namespace query = splitter::query;

bool claim_work(Call& call, const InboxKey& key, const MaybeText& answer) {
    auto& inbox = call.database.inbox;
    if (call.is(Mutation::split_claim_does_not_wait)) {
        if (inbox.find(key, &call.work) != nullptr) return false;
        if (inbox.slot(key).owner != nullptr) {
            call.work.unlocked_writes.push_back([&inbox, key, answer] { inbox.put(key, {answer}); });
            return true;
        }
    }
    return call.database.insert_if_absent(call.work, inbox, key, {answer});
}

/// Has the rule that a cancellation claims the order's own number been taken away?
bool is_left_unclaimed(Call& call, const std::vector<MaybeText>& ids, const std::vector<MaybeText>& items,
                       std::size_t i) {
    const bool for_a_cancellation = i > 0 && *ids[i - 1] == *ids[i] && items[i - 1]->starts_with("split/c");
    return call.is(Mutation::cancellation_leaves_ready_unclaimed) && *items[i] == "split/ready" &&
           for_a_cancellation && call.database.inbox.find({*ids[i], *items[i]}, &call.work) == nullptr;
}

void new_claims(Call& call) {
    const auto ids = call.list(0), items = call.list(1), answers = call.list(2);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!is_left_unclaimed(call, ids, items, i) && !claim_work(call, {*ids[i], *items[i]}, answers[i]))
            throw postgres::Duplicate("a claim is there");
        ++call.answer.affected;
    }
}

void read_claims(Call& call) {
    const auto ids = call.list(0), items = call.list(1);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto* row = call.database.inbox.find(InboxKey{*ids[i], *items[i]}, &call.work);
        if (row != nullptr) call.row(*ids[i], *items[i], row->answer);
    }
}

void take_numbers(Call& call) {
    const auto sellers = call.list(0), streams = call.list(1), counts = call.list(2);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        const Stream key{*sellers[i], *streams[i]};
        auto& table = call.database.streams;
        auto& slot = table.slot(key);
        if (call.is(Mutation::numbers_outlive_a_rollback)) {
            const auto last = (slot.committed ? slot.committed->last_assigned : 0) + to_number(counts[i]);
            table.put(key, {last});
            call.row(*sellers[i], *streams[i], last);
            continue;
        }
        call.database.lock(call.work, table, slot);
        if (!slot.pending) slot.pending = StreamRow{};
        slot.pending->last_assigned += to_number(counts[i]);
        call.row(*sellers[i], *streams[i], slot.pending->last_assigned);
    }
}

void new_messages(Call& call) {
    const auto sellers = call.list(0), streams = call.list(1), numbers = call.list(2), orders = call.list(3),
               kinds = call.list(4), bodies = call.list(5);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        call.database.insert(call.work, call.database.messages,
                             MessagePlace{*sellers[i], *streams[i], to_number(numbers[i])},
                             MessageRow{*orders[i], *kinds[i], *bodies[i]}, "seller_message");
        ++call.answer.affected;
    }
}

void read_messages(Call& call) {
    const auto sellers = call.list(0), streams = call.list(1), numbers = call.list(2);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        const MessagePlace place{*sellers[i], *streams[i], to_number(numbers[i])};
        const auto* row = call.database.messages.find(place, &call.work);
        if (row != nullptr) call.row(*sellers[i], *streams[i], *numbers[i], row->kind, row->body);
    }
}

constexpr postgres::Statement to_messages{query::new_messages.name, query::new_messages.columns};

constexpr postgres::Statement to_claims{query::new_claims.name, query::new_claims.columns};

constexpr Modelled statements[] = {
    {&to_claims, 2086627329, new_claims, true, 2},
    {&query::read_claims, 1504306113, read_claims},
    {&query::take_numbers, 3066548985, take_numbers, true, 2},
    {&to_messages, 1634401420, new_messages, true, 2, true},
    {&query::read_messages, 751003, read_messages},
};

}  // namespace

std::span<const Modelled> split_statements() {
    return statements;
}

}  // namespace cartwright::model
