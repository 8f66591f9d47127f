#include "workers/router/router.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/amqp/topology.hpp"
#include "common/codec/encode.hpp"
#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"
#include "workers/router/queries.hpp"

namespace cartwright::router {
namespace {

using postgres::Array;
using postgres::Rows;
using postgres::Transaction;
using routing::Claim;
using routing::Doorbell;
using routing::Progress;
using routing::Sending;
using routing::StreamKey;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds probe_interval{1};
/// Rows that are missing are made in a transaction of their own; they are never deleted.
struct MissingRows {};

StreamKey stream_at(const Rows& rows, std::size_t row) {
    return {SellerId(std::string(rows.text(row, 0))), StreamName(std::string(rows.text(row, 1)))};
}

const message::SellerMessage* seller_message(const worker::Member& member) {
    return std::get_if<message::SellerMessage>(&member.event.payload);
}

std::string_view type_of(std::string_view body) {
    const bool cancels = body.substr(0, 600).find(message::type::seller_cancellation) != std::string_view::npos;
    return cancels ? message::type::seller_cancellation : message::type::seller_order;
}

const char* text_of(amqp::Confirm confirm) {
    switch (confirm) {
        case amqp::Confirm::accepted:
            return "";
        case amqp::Confirm::refused:
            return "the broker refused it";
        case amqp::Confirm::returned:
            return "no queue takes it";
        case amqp::Confirm::unknown:
            return "the broker did not confirm it in time";
        case amqp::Confirm::unsent:
            return "it was not sent";
    }
    return "unknown";
}

}  // namespace

Handler::Handler(std::unique_ptr<postgres::Session> session, amqp::Publisher& publisher, QueueDepth depth,
                 std::size_t sellers_queues, const Config& config)
    : session_(std::move(session)),
      publisher_(publisher),
      depth_(std::move(depth)),
      sellers_queues_(sellers_queues),
      config_(config) {}

worker::Result Handler::handle(std::span<const worker::Member> batch) {
    Doorbells doorbells;
    for (const auto& member : batch) {
        const auto* message = seller_message(member);
        if (message == nullptr) continue;
        auto& doorbell = doorbells[{message->seller_id, message->stream}];
        doorbell.target = std::max(doorbell.target, message->number);
        doorbell.bodies.try_emplace(message->number, member.raw);
    }
    const auto targets = [&] {
        std::map<StreamKey, std::int64_t> result;
        for (const auto& [stream, doorbell] : doorbells) result.emplace(stream, doorbell.target);
        return result;
    }();
    auto reached = deliver(doorbells);
    worker::Result result;
    for (const auto& member : batch) {
        const auto* message = seller_message(member);
        if (message == nullptr) {
            result.verdicts.push_back(outcome::Park{"unknown_type", "the router takes messages to sellers only"});
            continue;
        }
        const StreamKey key{message->seller_id, message->stream};
        auto& stream = reached.at(key);
        if (message->number <= stream.delivered || stream.held) {
            // A held stream has its doorbell on the ladder already.
            result.verdicts.push_back(outcome::Done{});
        } else if (stream.failed) {
            result.verdicts.push_back(outcome::Later{stream.trouble});
            stream.held = true;
        } else if (message->number == targets.at(key)) {
            result.verdicts.push_back(outcome::Again{});
        } else {
            result.verdicts.push_back(outcome::Done{});
        }
    }
    return result;
}

Handler::Turn Handler::deliver(Doorbells& doorbells) {
    Turn turn;
    if (doorbells.empty()) return turn;
    const auto transact = [&](Transaction& transaction) {
        const auto claims = claim(transaction, doorbells);
        read_missing(transaction, claims, doorbells);
        const auto run = routing::plan(claims, doorbells);
        const auto troubles = publish(run);
        const auto progress = routing::progress(claims, run, troubles);
        mark(transaction, claims, progress);
        for (const auto& one : claims) {
            const auto& got = progress.at(one.stream);
            turn[one.stream] = {got.delivered, one.held, got.failed, got.trouble};
        }
    };
    try {
        session_->transaction_once(transact);
    } catch (const MissingRows&) {
        session_->transaction([&](Transaction& transaction) {
            Array sellers, streams;
            for (const auto& entry : doorbells) {
                sellers.add(entry.first.seller_id.str());
                streams.add(entry.first.stream.str());
            }
            transaction.run(query::insert_streams, {sellers.str(), streams.str()});
        });
        session_->transaction_once(transact);
    }
    return turn;
}

std::vector<Claim> Handler::claim(Transaction& transaction, const Doorbells& doorbells) {
    Array sellers, streams, targets;
    for (const auto& [stream, doorbell] : doorbells) {
        sellers.add(stream.seller_id.str());
        streams.add(stream.stream.str());
        targets.add(doorbell.target);
    }
    const auto rows = transaction.run(query::claim_streams, {sellers.str(), streams.str(), targets.str(),
                                                             std::to_string(config_.catch_up_max)});
    if (rows.size() < doorbells.size()) throw MissingRows{};
    std::vector<Claim> claims;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        claims.push_back({stream_at(rows, i), rows.integer(i, 2), rows.integer(i, 3), rows.boolean(i, 4), rows.integer(i, 5)});
    }
    return claims;
}

void Handler::read_missing(Transaction& transaction, const std::vector<Claim>& claims, Doorbells& doorbells) {
    const auto wanted = routing::missing(claims, doorbells);
    if (wanted.empty()) return;
    Array sellers, streams, numbers;
    for (const auto& [stream, number] : wanted) {
        sellers.add(stream.seller_id.str());
        streams.add(stream.stream.str());
        numbers.add(number);
    }
    const auto rows = transaction.run(query::read_messages, {sellers.str(), streams.str(), numbers.str()});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        doorbells.at(stream_at(rows, i)).bodies.emplace(rows.integer(i, 2), std::string(rows.text(i, 3)));
    }
}

/// At most once a second per queue.
bool Handler::too_deep(const std::string& queue) {
    auto& probe = probes_[queue];
    const auto time = Clock::now();
    if (probe.asked_at + probe_interval > time) return probe.too_deep;
    probe.asked_at = time;
    const auto depth = depth_(queue);
    probe.too_deep = depth && *depth > config_.seller_queue_depth_max;
    return probe.too_deep;
}

/// A text of trouble a sending, empty where the broker has it.
std::vector<std::string> Handler::publish(const std::vector<Sending>& run) {
    std::vector<std::string> troubles(run.size());
    std::vector<amqp::Outgoing> messages;
    std::vector<std::size_t> sent;
    for (std::size_t i = 0; i < run.size(); ++i) {
        const auto& [stream, number, body] = run[i];
        amqp::Outgoing message;
        message.exchange = "sellers";
        message.routing_key = amqp::seller_queue(routing::shared_queue_of(stream.seller_id, sellers_queues_));
        if (too_deep(message.routing_key)) {
            troubles[i] = fmt::format("queue {} is too deep", message.routing_key);
            continue;
        }
        message.body = body;
        message.message_id = codec::seller_message_id(stream.seller_id, stream.stream.str(), number);
        message.type = type_of(body);
        message.headers = {{"seller", stream.seller_id.str()}, {"stream", stream.stream.str()}, {"number", number}};
        messages.push_back(std::move(message));
        sent.push_back(i);
    }
    const auto confirms = publisher_.publish_in_order(messages, config_.confirm_timeout);
    for (std::size_t i = 0; i < sent.size(); ++i) troubles[sent[i]] = text_of(confirms[i]);
    return troubles;
}

/// Corrects the rows of streams that did not get as far as was claimed, or that failed before and now did not.
void Handler::mark(Transaction& transaction, const std::vector<Claim>& claims,
                   const std::map<StreamKey, Progress>& progress) {
    std::map<StreamKey, const Claim*> changed;
    for (const auto& claim : claims) {
        const bool recovered = claim.attempts > 0 && claim.to > claim.from;
        if (progress.at(claim.stream).failed || recovered) changed.emplace(claim.stream, &claim);
    }
    if (changed.empty()) return;
    Array sellers, streams, delivered, attempts, troubles, pauses;
    for (const auto& [stream, claim] : changed) {
        const auto& got = progress.at(stream);
        sellers.add(stream.seller_id.str());
        streams.add(stream.stream.str());
        delivered.add(got.delivered);
        attempts.add(got.failed ? claim->attempts + 1 : 0);
        got.failed ? troubles.add(got.trouble) : troubles.add_null();
        const auto doublings = std::min<std::int64_t>(claim->attempts, 20);
        const auto pause = std::min(config_.retry_delay_max, config_.retry_delay_min * (std::int64_t{1} << doublings));
        pauses.add(static_cast<std::int64_t>(pause.count()));
        if (got.failed) {
            log::warn("stream_failed", {{"seller", stream.seller_id}, {"stream", stream.stream},
                                        {"delivered", got.delivered}, {"why", got.trouble}});
        }
    }
    const auto rows = transaction.run(query::mark_streams, {sellers.str(), streams.str(), delivered.str(), attempts.str(),
                                                            troubles.str(), pauses.str()});
    CARTWRIGHT_ASSERT(rows.affected() == changed.size());
}

void Handler::tick() {
    std::map<StreamKey, std::int64_t> behind;
    Doorbells doorbells;
    session_->transaction([&](Transaction& transaction) {
        behind.clear();
        doorbells.clear();
        const auto rows = transaction.run(query::streams_behind, {std::to_string(config_.sweep_streams_max)});
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const auto stream = stream_at(rows, i);
            const auto delivered = rows.integer(i, 3);
            behind.emplace(stream, delivered);
            // A message that is merely on its way is left to it: only who stood still since the last sweep is taken up.
            const auto before = behind_.find(stream);
            if (before != behind_.end() && before->second == delivered) doorbells[stream].target = rows.integer(i, 2);
        }
    });
    behind_ = std::move(behind);
    if (doorbells.empty()) return;
    log::warn("streams_left_behind", {{"streams", doorbells.size()}});
    for (const auto& [stream, reached] : deliver(doorbells)) {
        if (!reached.failed) behind_[stream] = reached.delivered;
    }
}

}  // namespace cartwright::router
