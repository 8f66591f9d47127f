// The router's statements.
#include <algorithm>
#include <limits>

#include "tests/model/statement.hpp"
#include "workers/router/queries.hpp"

namespace cartwright::model {
namespace {

namespace query = router::query;

using Deliveries = Table<Stream, DeliveryRow>;

constexpr Number infinity_us = std::numeric_limits<Number>::max();

std::vector<std::pair<Stream, Deliveries::Slot*>> seen_streams(Call& call) {
    const auto sellers = call.list(0), streams = call.list(1);
    std::vector<std::pair<Stream, Deliveries::Slot*>> seen;
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        Stream key{*sellers[i], *streams[i]};
        auto* slot = call.database.seen(call.work, call.database.deliveries, key);
        seen.emplace_back(std::move(key), slot);
    }
    return seen;
}

/// Locks one row after the other and visits it with the place of its key in the arrays.
template <class Visit>
void each_locked(Call& call, const Visit& visit) {
    const auto seen = seen_streams(call);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        auto* row = call.database.lock_seen(call.work, call.database.deliveries, seen[i].second);
        if (row != nullptr) visit(seen[i].first, *row, i);
    }
}

void insert_streams(Call& call) {
    const auto sellers = call.list(0), streams = call.list(1), wished = call.list(2);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        DeliveryRow row;
        row.destination = row.wished = *wished[i];
        call.database.insert_if_absent(call.work, call.database.deliveries, Stream{*sellers[i], *streams[i]},
                                       std::move(row));
    }
}

void claim_streams(Call& call) {
    const auto targets = call.list(2), allowances = call.list(3), destinations = call.list(4),
               wished = call.list(5), next = call.list(6);
    each_locked(call, [&](const Stream& key, DeliveryRow& row, std::size_t i) {
        const bool routed = call.is(Mutation::route_not_compared) ||
                            (row.destination == *destinations[i] && row.wished == *wished[i] &&
                             row.next_from == maybe_number(next[i]));
        const bool held = row.next_attempt_at && *row.next_attempt_at > call.work.begun_us;
        row.claimed_from = row.last_delivered;
        if (!held && routed) {
            const auto most = row.last_delivered + (row.attempts > 0 ? 1 : to_number(allowances[i]));
            row.last_delivered = std::max(row.last_delivered, std::min(to_number(targets[i]), most));
        }
        call.row(key.first, key.second, row.claimed_from, row.last_delivered, held,
                 row.next_attempt_at.has_value(), row.attempts, routed, row.next_attempt_at == infinity_us,
                 row.replaced);
    });
}

void mark_streams(Call& call) {
    const auto delivered = call.list(2), attempts = call.list(3), troubles = call.list(4),
               pauses = call.list(5), refused = call.list(6), held_for = call.list(7);
    each_locked(call, [&](const Stream&, DeliveryRow& row, std::size_t i) {
        row.last_delivered = to_number(delivered[i]);
        row.attempts = to_number(attempts[i]);
        row.trouble = troubles[i];
        row.refused = maybe_number(refused[i]);
        row.held_for = held_for[i];
        const auto since = row.failing_since.value_or(call.work.begun_us);
        row.failing_since = row.attempts > 0 ? MaybeNumber(since) : std::nullopt;
        const auto pause = maybe_number(pauses[i]);
        row.next_attempt_at = pause ? MaybeNumber(call.time_us + *pause * ms) : std::nullopt;
        ++call.answer.affected;
    });
}

void read_messages(Call& call) {
    const auto sellers = call.list(0), streams = call.list(1), numbers = call.list(2);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        const MessagePlace place{*sellers[i], *streams[i], to_number(numbers[i])};
        const auto* row = call.database.messages.find(place, &call.work);
        if (row != nullptr) call.row(*sellers[i], *streams[i], *numbers[i], row->kind, row->body);
    }
}

void read_assigned(Call& call) {
    if (call.is(Mutation::switch_behind_delivered) && call.work.routes_locked) return;
    const auto sellers = call.list(0), streams = call.list(1);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        const auto* row = call.database.streams.find(Stream{*sellers[i], *streams[i]}, &call.work);
        if (row != nullptr) call.row(*sellers[i], *streams[i], row->last_assigned);
    }
}

void lock_routes(Call& call) {
    call.work.routes_locked = true;
    each_locked(call, [&](const Stream& key, const DeliveryRow& row, std::size_t) {
        call.row(key.first, key.second, row.destination, row.wished, row.next_destination, row.next_from,
                 row.last_delivered, std::max(row.tried, row.doubtful));
    });
}

void write_routes(Call& call) {
    const auto destinations = call.list(2), wished = call.list(3), next = call.list(4), from = call.list(5);
    each_locked(call, [&](const Stream&, DeliveryRow& row, std::size_t i) {
        if (row.destination != *destinations[i]) {
            row.attempts = row.tried = row.doubtful = 0;
            row.failing_since.reset();
            row.held_for.reset();
            row.trouble.reset();
            row.next_attempt_at.reset();
        }
        row.destination = *destinations[i];
        row.wished = *wished[i];
        row.next_destination = next[i];
        row.next_from = maybe_number(from[i]);
        ++call.answer.affected;
    });
}

void record_switches(Call& call) {
    const auto sellers = call.list(0), streams = call.list(1), from = call.list(2), previous = call.list(3),
               destinations = call.list(4);
    for (std::size_t i = 0; i < sellers.size(); ++i) {
        call.database.insert(call.work, call.database.switches,
                             SwitchKey{*sellers[i], *streams[i], call.time_us},
                             SwitchRow{to_number(from[i]), *previous[i], *destinations[i]}, "seller_switch");
        ++call.answer.affected;
    }
}

void register_rules(Call& call) {
    call.database.insert_if_absent(call.work, call.database.rules, call.text(0), RulesRow{call.time_us});
}

Number newest_activation(const Call& call) {
    Number newest = 0;
    for (const auto& [version, slot] : call.database.rules.slots()) {
        const auto* row = Table<Text, RulesRow>::visible(slot, &call.work);
        if (row != nullptr) newest = std::max(newest, row->activated_at);
    }
    return newest;
}

void activate_rules(Call& call) {
    const auto newest = newest_activation(call);
    auto& slot = call.database.rules.slot(call.text(0));
    call.database.lock(call.work, call.database.rules, slot);
    if (!slot.pending) {
        slot.pending = RulesRow{call.time_us};
    } else if (slot.pending->activated_at < newest) {
        slot.pending->activated_at = call.time_us;
    }
}

void newest_rules(Call& call) {
    const auto newest = newest_activation(call);
    for (const auto& [version, slot] : call.database.rules.slots()) {
        const auto* row = Table<Text, RulesRow>::visible(slot, &call.work);
        if (row == nullptr || row->activated_at != newest) continue;
        call.row(version);
        return;
    }
}

void lease_streams(Call& call) {
    const auto destinations = call.list(2), wished = call.list(3);
    const auto messages_max = call.number(4), lease_ms = call.number(5);
    const auto seen = seen_streams(call);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto& key = seen[i].first;
        const auto* assigned = call.database.streams.find(key, &call.work);
        if (assigned == nullptr || seen[i].second == nullptr) continue;
        // Joined: as the statement saw it when it began, also when it then waits for the stream's row.
        const auto last_assigned = assigned->last_assigned;
        const auto end_of = [&](const DeliveryRow& row) {
            return row.next_from ? std::min(last_assigned, *row.next_from - 1) : last_assigned;
        };
        const auto may = [&](const DeliveryRow& row) {
            const bool here = call.is(Mutation::route_not_compared) ||
                              (row.destination == *destinations[i] && row.wished == *wished[i]);
            return here && row.last_delivered < end_of(row) &&
                   (!row.lease_until || *row.lease_until < call.time_us) &&
                   (!row.next_attempt_at || *row.next_attempt_at <= call.time_us);
        };
        if (!may(*Deliveries::visible(*seen[i].second, &call.work))) continue;
        auto* row = call.database.lock_seen(call.work, call.database.deliveries, seen[i].second);
        if (row == nullptr || !may(*row)) continue;
        ++row->lease_epoch;
        row->lease_until = call.time_us + lease_ms * ms;
        row->lease_holder = call.work.process->name;
        const auto to = std::min(end_of(*row), row->last_delivered + (row->attempts > 0 ? 1 : messages_max));
        if (!call.is(Mutation::tried_not_recorded)) {
            row->doubtful = std::max(row->doubtful, row->tried);
            row->tried = to;
        }
        const auto failing_ms = row->failing_since ? (call.time_us - *row->failing_since) / ms : Number{-1};
        call.row(key.first, key.second, row->lease_epoch, row->last_delivered, to, row->doubtful,
                 row->attempts, failing_ms);
    }
}

void read_rows(Call& call) {
    for (const auto& [key, slot] : seen_streams(call)) {
        if (slot == nullptr) continue;
        const auto& row = *Deliveries::visible(*slot, &call.work);
        call.row(key.first, key.second, row.destination, row.wished, row.next_from, row.last_delivered);
    }
}

void release_streams(Call& call) {
    const auto epochs = call.list(2), delivered = call.list(3), doubtful = call.list(4),
               attempts = call.list(5), troubles = call.list(6), refused = call.list(7),
               held_for = call.list(8), pauses = call.list(9);
    const auto seen = seen_streams(call);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto own = [&](const DeliveryRow& row) {
            return row.lease_epoch == to_number(epochs[i]) || call.is(Mutation::epoch_not_compared);
        };
        if (seen[i].second == nullptr || !own(*Deliveries::visible(*seen[i].second, &call.work))) continue;
        auto* row = call.database.lock_seen(call.work, call.database.deliveries, seen[i].second);
        if (row == nullptr || !own(*row)) continue;
        row->last_delivered = std::max(row->last_delivered, to_number(delivered[i]));
        row->lease_until.reset();
        row->tried = 0;
        row->doubtful = std::max(row->doubtful, to_number(doubtful[i]));
        row->attempts = to_number(attempts[i]);
        row->trouble = troubles[i];
        row->refused = maybe_number(refused[i]);
        row->held_for = held_for[i];
        const auto since = row->failing_since.value_or(call.work.begun_us);
        row->failing_since = row->attempts > 0 ? MaybeNumber(since) : std::nullopt;
        const auto pause = maybe_number(pauses[i]);
        row->next_attempt_at =
            pause ? MaybeNumber(*pause < 0 ? infinity_us : call.time_us + *pause * ms) : std::nullopt;
        call.row(seen[i].first.first, seen[i].first.second);
    }
}

void hold_stream(Call& call) {
    auto& table = call.database.deliveries;
    auto* slot = call.database.seen(call.work, table, Stream{call.text(0), call.text(1)});
    if (slot == nullptr || Deliveries::visible(*slot, &call.work)->destination != call.text(2)) return;
    auto* row = call.database.lock_seen(call.work, table, slot);
    if (row == nullptr || row->destination != call.text(2)) return;
    row->held_for = call.text(3);
    row->trouble = call.text(4);
    row->next_attempt_at = call.time_us + call.number(5) * ms;
    ++call.answer.affected;
}

void streams_behind(Call& call) {
    const Stream after{call.text(0), call.text(1)};
    const auto limit = static_cast<std::size_t>(call.number(2));
    const auto now_us = call.work.begun_us;
    for (const auto& [key, slot] : call.database.streams.slots()) {
        const auto* stream = Table<Stream, StreamRow>::visible(slot, &call.work);
        if (stream == nullptr || key <= after || call.answer.rows.size() >= limit) continue;
        const auto* row = call.database.deliveries.find(key, &call.work);
        const auto delivered = row == nullptr ? 0 : row->last_delivered;
        if (stream->last_assigned <= delivered) continue;
        if (row != nullptr && row->next_attempt_at && *row->next_attempt_at > now_us) continue;
        if (row != nullptr && row->lease_until && *row->lease_until > now_us) continue;
        call.row(key.first, key.second, stream->last_assigned, delivered);
    }
}

/// For gauges only: nobody decides by it.
void streams_waiting(Call&) {}

constexpr Modelled statements[] = {
    {&query::insert_streams, 415523601, insert_streams, true, 2},
    {&query::claim_streams, 44699455, claim_streams, true, 2},
    {&query::mark_streams, 758022576, mark_streams, true, 2},
    {&query::read_messages, 751003, read_messages},
    {&query::read_assigned, 3120360498, read_assigned},
    {&query::lock_routes, 3281830854, lock_routes, true, 2},
    {&query::write_routes, 4111626647, write_routes, true, 2},
    {&query::record_switches, 3225175443, record_switches},
    {&query::register_rules, 3001061570, register_rules},
    {&query::activate_rules, 621304723, activate_rules},
    {&query::newest_rules, 1863748094, newest_rules},
    {&query::lease_streams, 2270622260, lease_streams, true, 2},
    {&query::read_rows, 201877969, read_rows},
    {&query::release_streams, 3004588764, release_streams, true, 2, true},
    {&query::hold_stream, 1708246236, hold_stream},
    {&query::streams_behind, 220254273, streams_behind},
    {&query::streams_waiting, 2270941179, streams_waiting},
};

}  // namespace

std::span<const Modelled> delivery_statements() {
    return statements;
}

}  // namespace cartwright::model
