#include "workers/splitter/splitter.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <optional>
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
using Answers = std::map<ClaimKey, Answer>;

constexpr std::size_t row_bytes = 192;  ///< about what a row takes beside a body

StreamKey stream_at(const Rows& rows, std::size_t row) {
    return {SellerId(std::string(rows.text(row, 0))), StreamName(std::string(rows.text(row, 1)))};
}

Answers read_answers(Transaction& transaction, const std::set<ClaimKey>& asked) {
    Answers answers;
    if (asked.empty()) return answers;
    Array ids, items;
    for (const auto& claim : asked) {
        ids.add(claim.order_id.str());
        items.add(claim.item);
    }
    const auto rows = transaction.run(query::read_claims, {ids.str(), items.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CARTWRIGHT_ASSERT(!rows.is_null(i, 2));
        ClaimKey claim{OrderId(std::string(rows.text(i, 0))), std::string(rows.text(i, 1))};
        answers.emplace(std::move(claim), routing::answer_from(rows.text(i, 2)));
    }
    return answers;
}

/// Of the orders themselves: what became of them decides what becomes of their cancellations.
std::set<ClaimKey> claims_of_cancelled(std::span<const Work> works) {
    std::set<ClaimKey> claims;
    for (const auto& work : works)
        if (work.kind != routing::WorkKind::ready) claims.insert(routing::ready_claim(work.order_id));
    return claims;
}

/// The first new number of each stream. Streams stay locked until the commit.
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

/// In order of the key: neighbours in an index cost less than rows all over it.
void store(Transaction& transaction, const std::vector<Numbered>& messages) {
    std::vector<const Numbered*> ordered;
    ordered.reserve(messages.size());
    for (const auto& message : messages) ordered.push_back(&message);
    std::sort(ordered.begin(), ordered.end(),
              [](const Numbered* left, const Numbered* right) { return left->place < right->place; });
    NewRows rows;
    std::size_t bytes = 0;
    for (const auto& message : messages) bytes += message.body.size() + row_bytes;
    rows.reserve(bytes);
    for (const auto* pointer : ordered) {
        const auto& message = *pointer;
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

Answers answers_of(const routing::Split& split, const std::vector<Numbered>& messages) {
    Answers answers;
    for (const auto& claim : split.voided) answers[claim].is_void = true;
    for (std::size_t i = 0; i < messages.size(); ++i)
        answers[split.messages[i].claim].places.push_back(messages[i].place);
    return answers;
}

void append(Transaction& transaction, const Answers& answers) {
    NewRows rows;
    for (const auto& [claim, given] : answers)
        rows.add(claim.order_id.str()).add(claim.item).add(routing::to_text(given)).end_row();
    transaction.append(query::new_claims, rows);
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

/// One run of the transaction. Streams are locked before claims are written.
class Run {
  public:
    Run(Transaction& transaction, std::span<const worker::Member> batch, const Works& work)
        : transaction_(transaction), batch_(batch), work_(work) {}

    /// Throws Duplicate when a claim is there that was taken for new: all of them where not `reads_claims`,
    /// else those that somebody else has written since they were read.
    void operator()(const routing::Rules& rules, bool reads_claims);

    std::size_t taken_for_new = 0;  ///< claims
    std::vector<Numbered> messages, repeats;
    std::vector<std::size_t> later;  ///< indices of works whose order is not split yet

  private:
    void number(const routing::Split& split);

    Transaction& transaction_;
    std::span<const worker::Member> batch_;
    const Works& work_;
};

void Run::operator()(const routing::Rules& rules, bool reads_claims) {
    auto won = routing::claims_of(work_.works);
    auto asked = claims_of_cancelled(work_.works);
    if (reads_claims) asked.insert(won.begin(), won.end());
    const auto stored = read_answers(transaction_, asked);
    for (const auto& answered : stored) won.erase(answered.first);
    taken_for_new = won.size();
    const auto split = routing::split(work_.works, won, stored, rules);
    number(split);
    const auto answers = answers_of(split, messages);
    CARTWRIGHT_ASSERT(answers.size() + split.given_up.size() == won.size());
    append(transaction_, answers);
    store(transaction_, messages);
    repeats = read_again(transaction_, split.repeats);
    later = split.later;
}

void Run::number(const routing::Split& split) {
    if (split.messages.empty()) return;
    auto next = take_numbers(transaction_, split);
    messages.reserve(split.messages.size());
    for (const auto& message : split.messages) {
        const auto& envelope = batch_[work_.members[message.work]].event.envelope;
        messages.push_back(numbered(message, next.at(message.stream)++, work_.works[message.work], envelope));
    }
}

/// Again for as long as others write claims of the batch between its reading and its writing: each time fewer
/// are left.
void with_claims_read(const std::function<void(bool reads_claims)>& transact, const std::optional<Run>& run) {
    for (auto left = std::numeric_limits<std::size_t>::max();; left = run->taken_for_new) {
        try {
            return transact(true);
        } catch (const postgres::Duplicate&) {
            if (run->taken_for_new >= left) throw;
        }
    }
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
    const auto rules = rules_();
    std::optional<Run> run;
    const auto transact = [&](bool reads_claims) {
        session_->transaction([&](Transaction& transaction) {
            run.emplace(transaction, batch, work);
            (*run)(*rules, reads_claims);
        });
    };
    append_first_.run([&](bool unseen) { unseen ? transact(false) : with_claims_read(transact, run); });
    for (const auto index : run->later) {
        result.verdicts[work.members[index]] =
            outcome::Later{"order " + work.works[index].order_id.str() + " is not split yet"};
    }
    numbered_.add(static_cast<double>(run->messages.size()));
    repeated_.add(static_cast<double>(run->repeats.size()));
    std::vector<worker::EncodedEvent> events;
    events.reserve(run->repeats.size() + run->messages.size());
    for (auto& message : run->repeats) events.push_back(event_of(std::move(message)));
    for (auto& message : run->messages) events.push_back(event_of(std::move(message)));
    result.outgoing = worker::pack("seller-messages", "seller.message", std::move(events), limits_);
    return result;
}

}  // namespace cartwright::splitter
