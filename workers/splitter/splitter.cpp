#include "workers/splitter/splitter.hpp"

#include <map>
#include <set>

#include "common/outcome/trouble.hpp"
#include "workers/splitter/messages.hpp"
#include "workers/splitter/queries.hpp"

namespace cartwright::splitter {
namespace {

using postgres::Array;
using postgres::NewRows;
using postgres::Rows;
using postgres::Transaction;
using routing::Answer;
using routing::ClaimKey;
using routing::Place;
using routing::StreamKey;
using routing::Work;

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

std::set<ClaimKey> claim(Transaction& transaction, const std::set<ClaimKey>& wanted, bool append) {
    if (append) {
        NewRows rows;
        for (const auto& claim : wanted) rows.add(claim.order_id.str()).add(claim.item).end_row();
        transaction.append(query::new_claims, rows);
        return wanted;
    }
    const Keys keys(wanted);
    const auto rows = transaction.run(query::claim, {keys.ids.str(), keys.items.str()});
    std::set<ClaimKey> won;
    for (std::size_t i = 0; i < rows.size(); ++i) won.insert(claim_at(rows, i));
    return won;
}

/// In a statement of its own, after the claim: only then are the answers of simultaneous winners to be seen.
std::map<ClaimKey, Answer> read_answers(Transaction& transaction, std::span<const Work> works,
                                        const std::set<ClaimKey>& wanted, const std::set<ClaimKey>& won) {
    auto asked = wanted;
    for (const auto& work : works) asked.insert(routing::ready_claim(work.order_id));
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
routing::ByStream<std::int64_t> take_numbers(Transaction& transaction, const routing::Split& split) {
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
    routing::ByStream<std::int64_t> first;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto stream = stream_at(rows, i);
        first.emplace(stream, rows.integer(i, 2) - messages.at(stream) + 1);
    }
    return first;
}

void store(Transaction& transaction, const std::vector<Numbered>& messages) {
    NewRows rows;
    for (const auto& message : messages) {
        rows.add(message.place.stream.seller_id.str())
            .add(message.place.stream.stream.str())
            .add(message.place.number)
            .add(message.order_id.str())
            .add(message.type)
            .add(message.body);
        message.rule.empty() ? rows.add_null() : rows.add(message.rule);
        rows.end_row();
    }
    CARTWRIGHT_ASSERT(rows.size() == messages.size());
    transaction.append(query::new_messages, rows);
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
                            std::string(rows.text(i, 4)),
                            {}});
    }
    return messages;
}

/// The batch's work, and the member that each piece is of.
struct Works {
    std::vector<Work> works;
    std::vector<std::size_t> members;
};

/// What is none of the splitter's is parked.
Works works_of(std::span<const worker::Member> batch, std::vector<outcome::Verdict>& verdicts) {
    Works result;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (auto work = work_of(batch[i])) {
            result.works.push_back(std::move(*work));
            result.members.push_back(i);
        } else {
            verdicts[i] =
                outcome::Park{"unknown_type", "the splitter takes order.ready and order.cancelled only"};
        }
    }
    return result;
}

/// Gives numbers and stores what they are given to; all rows or none.
std::vector<Numbered> number(Transaction& transaction, const routing::Split& split, const Works& work,
                             std::span<const worker::Member> batch) {
    std::vector<Numbered> messages;
    if (split.messages.empty()) return messages;
    auto next = take_numbers(transaction, split);
    messages.reserve(split.messages.size());
    for (const auto& message : split.messages) {
        const auto& envelope = batch[work.members[message.work]].event.envelope;
        messages.push_back(numbered(message, next.at(message.stream)++, work.works[message.work], envelope));
    }
    store(transaction, messages);
    return messages;
}

void give_up(Transaction& transaction, const std::set<ClaimKey>& claims) {
    if (claims.empty()) return;
    const Keys keys(claims);
    transaction.run(query::give_up_claims, {keys.ids.str(), keys.items.str()});
}

}  // namespace

Handler::Handler(std::unique_ptr<postgres::Session> session, routing::RulesSource rules, const Config& config)
    : session_(std::move(session)),
      rules_(std::move(rules)),
      limits_(config.packing),
      numbered_(
          metrics::counter("cartwright_splitter_numbered_total", "Messages to sellers that got a number")),
      repeated_(metrics::counter("cartwright_splitter_repeated_total",
                                 "Stored messages that were published again for a repeated event")) {}

worker::Result Handler::handle(std::span<const worker::Member> batch) {
    worker::Result result;
    result.verdicts.assign(batch.size(), outcome::Done{});
    const auto work = works_of(batch, result.verdicts);
    if (work.works.empty()) return result;
    const auto wanted = routing::claims_of(work.works);
    const auto rules = rules_();
    std::vector<Numbered> messages, repeats;
    std::vector<std::size_t> later;
    const auto transact = [&](Transaction& transaction, bool append_claims) {
        const auto won = claim(transaction, wanted, append_claims);
        const auto stored = read_answers(transaction, work.works, wanted, won);
        const auto split = routing::split(work.works, won, stored, *rules);
        messages = number(transaction, split, work, batch);
        answer(transaction, split, messages);
        give_up(transaction, split.given_up);
        repeats = read_again(transaction, split.repeats);
        later = split.later;
    };
    append_first_.run([&](bool append_claims) {
        session_->transaction([&](Transaction& transaction) { transact(transaction, append_claims); });
    });
    for (const auto index : later) {
        result.verdicts[work.members[index]] =
            outcome::Later{"order " + work.works[index].order_id.str() + " is not split yet"};
    }
    numbered_.add(static_cast<double>(messages.size()));
    repeated_.add(static_cast<double>(repeats.size()));
    std::vector<worker::EncodedEvent> events;
    events.reserve(repeats.size() + messages.size());
    for (auto& message : repeats) events.push_back(event_of(std::move(message)));
    for (auto& message : messages) events.push_back(event_of(std::move(message)));
    result.outgoing = worker::pack("seller-messages", "seller.message", std::move(events), limits_);
    return result;
}

}  // namespace cartwright::splitter
