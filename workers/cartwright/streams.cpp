#include "workers/cartwright/streams.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "common/codec/encode.hpp"
#include "common/message/event.hpp"
#include "common/order/time.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::operating {
namespace {

using postgres::Rows;
using postgres::Statement;
using postgres::Transaction;
using routing::StreamKey;

/// A stream with its row, if it has one, and the message that it waits for, if there is one.
const std::string stream_columns =
    "select s.seller_id, s.stream, s.last_assigned, coalesce(d.last_delivered, 0), coalesce(d.destination, "
    "''), "
    "coalesce(d.next_destination, ''), coalesce(d.next_from, 0), coalesce(d.held_for, ''), "
    "coalesce(d.trouble, ''), coalesce(d.failing_since::text, ''), coalesce(d.next_attempt_at::text, ''), "
    "coalesce(m.created_at::text, ''), coalesce(d.attempts, 0), coalesce(d.lease_until > now(), false), "
    "coalesce(d.next_attempt_at = 'infinity', false), coalesce(d.refused, 0), "
    "coalesce(greatest(d.doubtful, d.tried), 0) from seller_stream s "
    "left join seller_delivery d on d.seller_id = s.seller_id and d.stream = s.stream "
    "left join seller_message m on m.seller_id = s.seller_id and m.stream = s.stream "
    "and m.number = coalesce(d.last_delivered, 0) + 1 ";

const std::string list_streams_sql =
    stream_columns +
    "where s.last_assigned > coalesce(d.last_delivered, 0) and ($1::text = '' or s.seller_id = $1::text) "
    "and (not $2::boolean or d.held_for is not null) order by m.created_at, s.seller_id, s.stream "
    "limit $3::bigint";
const Statement list_streams{"operator_list_streams", list_streams_sql.c_str()};

const std::string find_stream_sql = stream_columns + "where s.seller_id = $1::text and s.stream = $2::text";
const Statement find_stream{"operator_find_stream", find_stream_sql.c_str()};

constexpr Statement lock_stream{
    "operator_lock_stream",
    "update seller_delivery set claimed_from = claimed_from where seller_id = $1::text and stream = $2::text "
    "returning destination, wished, next_destination, next_from, last_delivered, greatest(tried, doubtful)"};

constexpr Statement read_message{
    "operator_read_message",
    "select order_id, kind, body from seller_message where seller_id = $1::text and stream = $2::text "
    "and number = $3::bigint"};

constexpr Statement read_switches{
    "operator_read_switches",
    "select from_number, previous, destination, decided_by, reason, decided_at from seller_switch "
    "where seller_id = $1::text and stream = $2::text order by decided_at"};

constexpr Statement read_voids{"operator_read_voids",
                               "select number, kind, reason, voided_by, voided_at from seller_void "
                               "where seller_id = $1::text and stream = $2::text order by number"};

constexpr Statement resume_stream{
    "operator_resume_stream",
    "update seller_delivery set next_attempt_at = null, held_for = null, failing_since = null, "
    "attempts = least(attempts, 1) where seller_id = $1::text and stream = $2::text"};

constexpr Statement keep_voided{
    "operator_keep_voided",
    "insert into seller_void (seller_id, stream, number, kind, body, reason, voided_by, may_double) "
    "select seller_id, stream, number, kind, body, $4::text, $5::text, $6::boolean from seller_message "
    "where seller_id = $1::text and stream = $2::text and number = $3::bigint"};

constexpr Statement replace_message{
    "operator_replace_message",
    "update seller_message set kind = $4::text, body = $5::text where seller_id = $1::text "
    "and stream = $2::text and number = $3::bigint"};

constexpr Statement mark_replaced{
    "operator_mark_replaced",
    "update seller_delivery set replaced = $3::bigint, refused = null, next_attempt_at = null, held_for = "
    "null, "
    "trouble = null, failing_since = null, attempts = 0 where seller_id = $1::text and stream = $2::text"};

/// Whoever calls the destination that the stream leaves has lost its lease: what comes of the call holds
/// nobody.
constexpr Statement write_route{
    "operator_write_route",
    "update seller_delivery s set destination = $3::text, next_destination = $4::text, next_from = "
    "$5::bigint, "
    "lease_epoch = case when s.destination = $3::text then s.lease_epoch else s.lease_epoch + 1 end, "
    "lease_until = case when s.destination = $3::text then s.lease_until end, "
    "next_attempt_at = case when s.destination = $3::text then s.next_attempt_at end, "
    "held_for = case when s.destination = $3::text then s.held_for end, "
    "trouble = case when s.destination = $3::text then s.trouble end, "
    "failing_since = case when s.destination = $3::text then s.failing_since end, "
    "attempts = case when s.destination = $3::text then s.attempts else 0 end, "
    "tried = case when s.destination = $3::text then s.tried else 0 end, "
    "doubtful = case when s.destination = $3::text then s.doubtful else 0 end, "
    "refused = case when s.destination = $3::text then s.refused end "
    "where s.seller_id = $1::text and s.stream = $2::text"};

constexpr Statement record_switch{
    "operator_record_switch",
    "insert into seller_switch (seller_id, stream, from_number, previous, destination, decided_by, reason, "
    "may_double) values ($1::text, $2::text, $3::bigint, $4::text, $5::text, $6::text, $7::text, "
    "$8::bigint[])"};

[[noreturn]] void refuse(const std::string& why) {
    throw outcome::StartupError(why);
}

std::string text(const Rows& rows, std::size_t row, int column) {
    return std::string(rows.text(row, column));
}

StreamState state_at(const Rows& rows, std::size_t row) {
    StreamState state;
    state.stream = {SellerId(text(rows, row, 0)), StreamName(text(rows, row, 1))};
    state.assigned = rows.integer(row, 2);
    state.delivered = rows.integer(row, 3);
    state.destination = text(rows, row, 4);
    state.next_destination = text(rows, row, 5);
    state.next_from = rows.integer(row, 6);
    state.held_for = text(rows, row, 7);
    state.trouble = text(rows, row, 8);
    state.failing_since = text(rows, row, 9);
    state.next_attempt_at = text(rows, row, 10);
    state.oldest_waiting_since = text(rows, row, 11);
    state.attempts = rows.integer(row, 12);
    state.leased = rows.boolean(row, 13);
    state.for_good = rows.boolean(row, 14);
    state.refused = rows.integer(row, 15);
    state.doubtful = rows.integer(row, 16);
    return state;
}

std::string flag(bool value) {
    return value ? "true" : "false";
}

std::array<postgres::Parameter, 2> key(const StreamKey& stream) {
    return {stream.seller_id.str(), stream.stream.str()};
}

/// May this number be replaced? Only when nobody can have got it, or the operator takes that on himself.
void require_replaceable(const StreamState& state, std::int64_t number, bool may_double) {
    const auto waits_for = state.delivered + 1;
    if (state.delivered >= state.assigned) refuse("the stream has nothing to deliver");
    if (number != waits_for)
        refuse(fmt::format("the stream waits for number {}, not {}: only that one can be voided", waits_for,
                           number));
    if (may_double) return;
    if (state.leased) refuse("its endpoint is being called just now: try again in a minute");
    if (state.refused == number && state.doubtful < number) return;
    refuse(
        fmt::format("nothing says that {} did not take number {}: resume the stream and see, or say "
                    "--may-double if the seller may get both",
                    state.destination, number));
}

}  // namespace

Streams::Streams(const std::string& postgres_url) : session_({postgres_url, "cartwright-stream", 5}) {}

std::vector<StreamState> Streams::list(const std::string& seller, bool held_only, std::size_t limit) {
    std::vector<StreamState> states;
    session_.transaction([&](Transaction& transaction) {
        states.clear();
        transaction.execute_script("set local enable_mergejoin = on");
        const auto rows = transaction.run(list_streams, {seller, flag(held_only), std::to_string(limit)});
        for (std::size_t i = 0; i < rows.size(); ++i) states.push_back(state_at(rows, i));
    });
    return states;
}

std::optional<StreamState> Streams::find(const StreamKey& stream) {
    std::optional<StreamState> state;
    session_.transaction([&](Transaction& transaction) {
        const auto rows = transaction.run(find_stream, key(stream));
        if (!rows.empty()) state = state_at(rows, 0);
    });
    return state;
}

std::optional<StreamMessage> Streams::message(const StreamKey& stream, std::int64_t number) {
    std::optional<StreamMessage> found;
    session_.transaction([&](Transaction& transaction) {
        const auto rows = transaction.run(
            read_message, {stream.seller_id.str(), stream.stream.str(), std::to_string(number)});
        if (!rows.empty())
            found = StreamMessage{number, text(rows, 0, 0), text(rows, 0, 1), text(rows, 0, 2)};
    });
    return found;
}

std::vector<PastSwitch> Streams::switches(const StreamKey& stream) {
    std::vector<PastSwitch> past;
    session_.transaction([&](Transaction& transaction) {
        past.clear();
        const auto rows = transaction.run(read_switches, key(stream));
        for (std::size_t i = 0; i < rows.size(); ++i) {
            past.push_back({rows.integer(i, 0), text(rows, i, 1), text(rows, i, 2), text(rows, i, 3),
                            text(rows, i, 4), text(rows, i, 5)});
        }
    });
    return past;
}

std::vector<PastVoid> Streams::voids(const StreamKey& stream) {
    std::vector<PastVoid> past;
    session_.transaction([&](Transaction& transaction) {
        past.clear();
        const auto rows = transaction.run(read_voids, key(stream));
        for (std::size_t i = 0; i < rows.size(); ++i) {
            past.push_back(
                {rows.integer(i, 0), text(rows, i, 1), text(rows, i, 2), text(rows, i, 3), text(rows, i, 4)});
        }
    });
    return past;
}

/// The row's lock first, then a statement that sees what was committed before it.
StreamState Streams::lock(Transaction& transaction, const StreamKey& stream) {
    if (transaction.run(lock_stream, key(stream)).empty())
        refuse(fmt::format(
            "nothing was ever delivered from stream {} of seller {}; see `cartwright stream list`",
            stream.stream, stream.seller_id));
    return state_at(transaction.run(find_stream, key(stream)), 0);
}

void Streams::resume(const StreamKey& stream) {
    session_.transaction([&](Transaction& transaction) {
        lock(transaction, stream);
        transaction.run(resume_stream, key(stream));
    });
}

void Streams::replace(const StreamKey& stream, std::int64_t number, const Decision& decision) {
    session_.transaction([&](Transaction& transaction) {
        const auto state = lock(transaction, stream);
        require_replaceable(state, number, decision.may_double);
        const auto place = std::to_string(number);
        const auto& seller = stream.seller_id.str();
        const auto& name = stream.stream.str();
        const auto rows = transaction.run(read_message, {seller, name, place});
        CARTWRIGHT_ASSERT(!rows.empty());
        const auto type = text(rows, 0, 1);
        if (type == message::type::seller_voided) refuse(fmt::format("number {} is voided already", number));
        const auto body =
            codec::encode_seller_voided({stream.seller_id, name, number, now(), OrderId(text(rows, 0, 0)),
                                         type, decision.reason, decision.by});
        transaction.run(keep_voided,
                        {seller, name, place, decision.reason, decision.by, flag(decision.may_double)});
        transaction.run(replace_message,
                        {seller, name, place, std::string(message::type::seller_voided), body});
        transaction.run(mark_replaced, {seller, name, place});
    });
}

routing::Switch Streams::redirect(const StreamKey& stream, const std::string& destination,
                                  std::optional<std::int64_t> from, const Decision& decision) {
    routing::Switch recorded;
    session_.transaction([&](Transaction& transaction) {
        const auto locked = transaction.run(lock_stream, key(stream));
        const auto state = lock(transaction, stream);
        routing::Route route{text(locked, 0, 0), text(locked, 0, 1), std::nullopt, state.delivered,
                             state.doubtful};
        if (!locked.is_null(0, 2))
            route.next = routing::Route::Next{text(locked, 0, 2), locked.integer(0, 3)};
        auto rerouted = routing::switched(route, destination, state.assigned);
        if (!rerouted.recorded && !from) refuse(fmt::format("the stream goes to {} already", destination));
        std::optional<std::string> doubled;
        if (from) {
            const auto untried = routing::first_untried(route, state.assigned);
            if (*from <= state.delivered || *from > untried)
                refuse(fmt::format("--from takes a number from {} to {}", state.delivered + 1, untried));
            if (*from < untried && !decision.may_double)
                refuse(
                    fmt::format("numbers {} to {} may have been taken by {}: without --may-double the switch "
                                "begins at {}",
                                *from, untried - 1, route.destination, untried));
            rerouted.recorded = routing::Switch{*from, route.destination, destination};
            rerouted.route.next = routing::Route::Next{destination, *from};
            rerouted.route = routing::promoted(rerouted.route);
            if (*from < untried) doubled = fmt::format("{{{},{}}}", *from, untried - 1);
        }
        recorded = *rerouted.recorded;
        const auto& next = rerouted.route.next;
        const auto& seller = stream.seller_id.str();
        const auto& name = stream.stream.str();
        transaction.run(write_route, {seller, name, rerouted.route.destination,
                                      next ? postgres::Parameter(next->destination) : std::nullopt,
                                      next ? postgres::Parameter(std::to_string(next->from)) : std::nullopt});
        transaction.run(record_switch,
                        {seller, name, std::to_string(recorded.from), recorded.previous, recorded.destination,
                         "operator " + decision.by, decision.reason, doubled});
    });
    return recorded;
}

}  // namespace cartwright::operating
