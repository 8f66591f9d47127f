#include "workers/splitter/splitter.hpp"

#include <map>
#include <set>

#include "common/codec/encode.hpp"
#include "common/outcome/trouble.hpp"
#include "workers/splitter/queries.hpp"

namespace cartwright::splitter {
namespace {

using postgres::Array;
using postgres::Rows;
using postgres::Transaction;
using routing::Answer;
using routing::ClaimKey;
using routing::Place;
using routing::StreamKey;
using routing::Work;
using routing::WorkKind;

/// A message with its place, its bytes and whose order it is.
struct Numbered {
    Place place;
    OrderId order_id;
    std::string type;
    std::string body;
};

struct Keys {
    Array ids, items;
    explicit Keys(const std::set<ClaimKey>& claims) {
        for (const auto& claim : claims) {
            ids.add(claim.order_id.str());
            items.add(claim.item);
        }
    }
};

ClaimKey claim_at(const Rows& rows, std::size_t row) {
    return {OrderId(std::string(rows.text(row, 0))), std::string(rows.text(row, 1))};
}

StreamKey stream_at(const Rows& rows, std::size_t row) {
    return {SellerId(std::string(rows.text(row, 0))), StreamName(std::string(rows.text(row, 1)))};
}

std::set<ClaimKey> claim(Transaction& transaction, const std::set<ClaimKey>& wanted) {
    const Keys keys(wanted);
    const auto rows = transaction.run(query::claim, {keys.ids.str(), keys.items.str()});
    std::set<ClaimKey> won;
    for (std::size_t i = 0; i < rows.size(); ++i) won.insert(claim_at(rows, i));
    return won;
}

/// In a statement of its own, after the claim: only then are the answers of simultaneous winners to be seen.
std::map<ClaimKey, Answer> read_answers(Transaction& transaction, std::span<const Work> batch,
                                        const std::set<ClaimKey>& wanted, const std::set<ClaimKey>& won) {
    auto asked = wanted;
    for (const auto& work : batch) asked.insert(routing::ready_claim(work.order_id));
    for (const auto& claim : won) asked.erase(claim);
    std::map<ClaimKey, Answer> stored;
    if (asked.empty()) return stored;
    const Keys keys(asked);
    const auto rows = transaction.run(query::read_claims, {keys.ids.str(), keys.items.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CARTWRIGHT_ASSERT(!rows.is_null(i, 2));
        stored.emplace(claim_at(rows, i), routing::answer_from(rows.text(i, 2)));
    }
    return stored;
}

/// The first new number of each stream.
std::map<StreamKey, std::int64_t> take_numbers(Transaction& transaction, const routing::Split& split) {
    std::map<StreamKey, std::int64_t> messages;
    for (const auto& message : split.messages) ++messages[message.stream];
    Array sellers, streams, counts;
    for (const auto& [stream, count] : messages) {
        sellers.add(stream.seller_id.str());
        streams.add(stream.stream.str());
        counts.add(count);
    }
    const auto rows = transaction.run(query::take_numbers, {sellers.str(), streams.str(), counts.str()});
    CARTWRIGHT_ASSERT(rows.size() == messages.size());
    std::map<StreamKey, std::int64_t> first;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto stream = stream_at(rows, i);
        first.emplace(stream, rows.integer(i, 2) - messages.at(stream) + 1);
    }
    return first;
}

Numbered numbered(const routing::NewMessage& message, std::int64_t number, const Work& work,
                  const message::Envelope& envelope) {
    const auto& stream = message.stream.stream.str();
    Numbered result{{message.stream, number}, work.order_id, std::string(message::type::seller_order), {}};
    if (work.kind == WorkKind::ready) {
        const auto time = work.order->placed_at.value_or(envelope.time.value_or(now()));
        result.body = codec::encode_seller_order(
            {work.order, message.seller, stream, number, time, envelope.traceparent});
    } else {
        result.type = message::type::seller_cancellation;
        result.body =
            codec::encode_seller_cancellation({work.cancelled, message.seller, stream, number,
                                               envelope.time.value_or(now()), envelope.traceparent});
    }
    return result;
}

void store(Transaction& transaction, const std::vector<Numbered>& messages) {
    Array sellers, streams, numbers, orders, kinds, bodies;
    for (const auto& message : messages) {
        sellers.add(message.place.stream.seller_id.str());
        streams.add(message.place.stream.stream.str());
        numbers.add(message.place.number);
        orders.add(message.order_id.str());
        kinds.add(message.type);
        bodies.add(message.body);
    }
    const auto rows = transaction.run(query::insert_messages, {sellers.str(), streams.str(), numbers.str(),
                                                               orders.str(), kinds.str(), bodies.str()});
    CARTWRIGHT_ASSERT(rows.affected() == messages.size());
}

void answer(Transaction& transaction, const routing::Split& split, const std::vector<Numbered>& messages) {
    std::map<ClaimKey, Answer> answers;
    for (const auto& claim : split.voided) answers[claim].is_void = true;
    for (std::size_t i = 0; i < messages.size(); ++i)
        answers[split.messages[i].claim].places.push_back(messages[i].place);
    if (answers.empty()) return;
    Array ids, items, texts;
    for (const auto& [claim, given] : answers) {
        ids.add(claim.order_id.str());
        items.add(claim.item);
        texts.add(routing::to_text(given));
    }
    const auto rows = transaction.run(query::answer_claims, {ids.str(), items.str(), texts.str()});
    CARTWRIGHT_ASSERT(rows.affected() == answers.size());
}

std::vector<Numbered> read_again(Transaction& transaction, const std::set<Place>& places) {
    std::vector<Numbered> messages;
    if (places.empty()) return messages;
    Array sellers, streams, numbers;
    for (const auto& place : places) {
        sellers.add(place.stream.seller_id.str());
        streams.add(place.stream.stream.str());
        numbers.add(place.number);
    }
    const auto rows = transaction.run(query::read_messages, {sellers.str(), streams.str(), numbers.str()});
    CARTWRIGHT_ASSERT(rows.size() == places.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        messages.push_back({{stream_at(rows, i), rows.integer(i, 2)},
                            {},
                            std::string(rows.text(i, 3)),
                            std::string(rows.text(i, 4))});
    }
    return messages;
}

worker::EncodedEvent event_of(Numbered message) {
    const auto& stream = message.place.stream;
    return {codec::seller_message_id(stream.seller_id, stream.stream.str(), message.place.number),
            std::move(message.type), std::move(message.body)};
}

/// Nothing when it is none of the splitter's events.
std::optional<Work> work_of(const worker::Member& member) {
    const auto& event = member.event;
    if (const auto* cancelled = std::get_if<message::OrderCancelled>(&event.payload)) {
        if (cancelled->whole)
            return Work{WorkKind::cancelled_whole, cancelled->order_id, {}, nullptr, cancelled};
        return Work{WorkKind::cancelled_lines, cancelled->order_id, event.envelope.id, nullptr, cancelled};
    }
    const auto* placed = std::get_if<message::OrderPlaced>(&event.payload);
    if (placed == nullptr || event.envelope.type != message::type::order_ready) return std::nullopt;
    return Work{WorkKind::ready, placed->order.order_id, {}, &placed->order, nullptr};
}

}  // namespace

Handler::Handler(std::unique_ptr<postgres::Session> session, const Config& config)
    : session_(std::move(session)), limits_{config.events_per_message_max, config.bytes_per_message_max} {}

std::vector<worker::EncodedEvent> Handler::transact(Transaction& transaction,
                                                    std::span<const worker::Member> batch,
                                                    std::vector<outcome::Verdict>& verdicts) {
    std::vector<Work> works;
    std::vector<std::size_t> member_of;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (auto work = work_of(batch[i])) {
            works.push_back(std::move(*work));
            member_of.push_back(i);
        } else {
            verdicts[i] =
                outcome::Park{"unknown_type", "the orders queue takes order.ready and order.cancelled only"};
        }
    }
    std::vector<worker::EncodedEvent> events;
    if (works.empty()) return events;
    const auto wanted = routing::claims_of(works);
    const auto won = claim(transaction, wanted);
    const auto stored = read_answers(transaction, works, wanted, won);
    const auto split = routing::split(works, won, stored);
    std::vector<Numbered> messages;
    if (!split.messages.empty()) {
        auto next = take_numbers(transaction, split);
        for (const auto& message : split.messages) {
            const auto& envelope = batch[member_of[message.work]].event.envelope;
            messages.push_back(numbered(message, next.at(message.stream)++, works[message.work], envelope));
        }
        store(transaction, messages);
    }
    answer(transaction, split, messages);
    if (!split.given_up.empty()) {
        const Keys keys(split.given_up);
        transaction.run(query::give_up_claims, {keys.ids.str(), keys.items.str()});
    }
    for (const auto index : split.later) {
        verdicts[member_of[index]] =
            outcome::Later{"order " + works[index].order_id.str() + " is not split yet"};
    }
    for (auto& message : read_again(transaction, split.repeats))
        events.push_back(event_of(std::move(message)));
    for (auto& message : messages) events.push_back(event_of(std::move(message)));
    return events;
}

worker::Result Handler::handle(std::span<const worker::Member> batch) {
    worker::Result result;
    std::vector<worker::EncodedEvent> events;
    session_->transaction([&](Transaction& transaction) {
        result.verdicts.assign(batch.size(), outcome::Done{});
        events = transact(transaction, batch, result.verdicts);
    });
    result.outgoing = worker::pack("seller-messages", "seller.message", std::move(events), limits_);
    return result;
}

}  // namespace cartwright::splitter
