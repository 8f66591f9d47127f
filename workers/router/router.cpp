#include "workers/router/router.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "common/amqp/topology.hpp"
#include "common/codec/encode.hpp"
#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"
#include "common/worker/packing.hpp"
#include "workers/router/statements.hpp"

namespace cartwright::router {
namespace {

using postgres::Transaction;
using routing::Claim;
using routing::Doorbells;
using routing::Sending;
using routing::Stop;
using routing::StreamKey;
using Clock = std::chrono::steady_clock;

/// Thrown out of the transaction when a stream has no row yet.
struct MissingRows {};

const message::SellerMessage* seller_message(const worker::Member& member) {
    return std::get_if<message::SellerMessage>(&member.event.payload);
}

amqp::Outgoing outgoing(Sending sending, std::string queue) {
    amqp::Outgoing message;
    message.exchange = "sellers";
    message.routing_key = std::move(queue);
    message.body = std::move(sending.content.body);
    message.type = std::move(sending.content.type);
    const auto& seller = sending.stream.seller_id;
    const auto& stream = sending.stream.stream.str();
    message.message_id = worker::message_id_of(codec::seller_message_id(seller, stream, sending.number));
    message.headers = {{"seller", seller.str()}, {"stream", stream}, {"number", sending.number}};
    return message;
}

/// `broker_trouble`: what is wrong with the broker as a whole, after the run.
routing::Outcome outcome_of(amqp::Confirm confirm, const std::string& broker_trouble) {
    switch (confirm) {
        case amqp::Confirm::accepted:
            return {};
        case amqp::Confirm::refused:
            return {Stop::failed, "the broker refused it"};
        case amqp::Confirm::returned:
            return {Stop::failed, "no queue takes it"};
        case amqp::Confirm::unknown:
            if (broker_trouble.empty()) return {Stop::failed, "the broker did not confirm it in time"};
            return {Stop::interrupted, broker_trouble};
        case amqp::Confirm::unsent:
            return {Stop::interrupted, broker_trouble.empty() ? "the run was cut short" : broker_trouble};
    }
    CARTWRIGHT_ASSERT(false);
    return {};
}

Doorbells doorbells_of(std::span<const worker::Member> batch) {
    Doorbells doorbells;
    for (const auto& member : batch) {
        const auto* message = seller_message(member);
        if (message == nullptr) continue;
        auto& doorbell = doorbells[{message->seller_id, message->stream}];
        doorbell.target = std::max(doorbell.target, message->number);
        doorbell.contents.try_emplace(message->number,
                                      routing::Content{member.event.envelope.type, std::string(member.raw)});
    }
    return doorbells;
}

routing::Pauses pauses_of(const Config& config) {
    routing::Pauses pauses;
    pauses.failed_min = config.retry_delay_min;
    pauses.failed_max = config.retry_delay_max;
    return pauses;
}

const char* reason_of(Stop stop) {
    if (stop == Stop::failed) return "failed";
    return stop == Stop::blocked ? "blocked" : "missing";
}

void report(const Claim& claim, const routing::Progress& progress) {
    if (progress.stop == Stop::nothing || progress.stop == Stop::interrupted) return;
    metrics::counter("cartwright_router_stops_total", "Streams that got no further in a turn, by reason",
                     {{"reason", reason_of(progress.stop)}})
        .add();
    // A full queue is told once, not for each of its streams.
    const auto say = progress.stop == Stop::blocked ? log::debug : log::warn;
    say("stream_stopped", {{"seller", claim.stream.seller_id},
                           {"stream", claim.stream.stream},
                           {"delivered", progress.delivered},
                           {"failures_before", claim.attempts},
                           {"why", progress.trouble}});
}

}  // namespace

Handler::Handler(std::unique_ptr<postgres::Session> session, std::unique_ptr<Outlet> outlet,
                 std::size_t sellers_queues, const Config& config)
    : session_(std::move(session)),
      outlet_(std::move(outlet)),
      sellers_queues_(sellers_queues),
      config_(config),
      queues_([this](const std::string& queue) { return outlet_->depth(queue); },
              config.seller_queue_depth_max) {
    counters_.delivered =
        metrics::counter("cartwright_router_delivered_total", "Messages that sellers' queues took");
    counters_.read_back = metrics::counter("cartwright_router_read_back_total",
                                           "Messages read from PostgreSQL because their own had not arrived");
    counters_.swept = metrics::counter("cartwright_router_swept_total", "Streams that only the sweep found");
    counters_.behind = metrics::gauge("cartwright_router_streams_behind",
                                      "Streams with undelivered messages at the last sweep");
}

std::string Handler::queue_of(const StreamKey& stream) const {
    return amqp::seller_queue(routing::shared_queue_of(stream.seller_id, sellers_queues_));
}

worker::Result Handler::handle(std::span<const worker::Member> batch) {
    auto doorbells = doorbells_of(batch);
    const auto turn = deliver(doorbells);
    worker::Result result;
    result.verdicts.assign(batch.size(), outcome::Done{});
    std::map<StreamKey, std::vector<std::size_t>> rung;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (const auto* message = seller_message(batch[i])) {
            rung[{message->seller_id, message->stream}].push_back(i);
        } else {
            result.verdicts[i] = outcome::Park{"unknown_type", "the router takes messages to sellers only"};
        }
    }
    for (const auto& [stream, members] : rung) {
        const auto& reached = turn.at(stream);
        std::vector<routing::Bell> bells;
        for (const auto i : members)
            bells.push_back({seller_message(batch[i])->number, batch[i].attempts > 0});
        const auto replies = routing::replies(bells, reached.claim, reached.progress, reached.wanted);
        for (std::size_t i = 0; i < members.size(); ++i) {
            auto& verdict = result.verdicts[members[i]];
            if (replies[i] == routing::Reply::again) verdict = outcome::Again{};
            if (replies[i] != routing::Reply::later) continue;
            const auto& trouble = reached.progress.trouble;
            verdict = outcome::Later{trouble.empty() ? "the stream is held" : trouble};
        }
    }
    return result;
}

/// Queues are asked for their depth before rows are locked.
Handler::Turn Handler::deliver(Doorbells& doorbells) {
    Turn turn;
    if (doorbells.empty()) return turn;
    if (const auto trouble = outlet_->trouble(); !trouble.empty()) throw outcome::Unavailable(trouble);
    for (auto& [stream, doorbell] : doorbells) {
        if (const auto more = unfinished_.find(stream); more != unfinished_.end()) {
            doorbell.target = std::max(doorbell.target, more->second);
        }
        doorbell.blocked = queues_.trouble(queue_of(stream));
    }
    const auto run = [&](Transaction& transaction) { transact(transaction, doorbells, turn); };
    try {
        session_->transaction_once(run);
    } catch (const MissingRows&) {
        session_->transaction([&](Transaction& transaction) { insert_streams(transaction, doorbells); });
        session_->transaction_once(run);
    }
    remember(turn);
    for (const auto& [stream, reached] : turn) {
        if (reached.progress.stop == Stop::interrupted) throw outcome::Unavailable(reached.progress.trouble);
    }
    return turn;
}

void Handler::transact(Transaction& transaction, Doorbells& doorbells, Turn& turn) {
    const auto claims = claim(transaction, doorbells);
    counters_.read_back.add(static_cast<double>(read_missing(transaction, claims, doorbells)));
    auto run = routing::plan(claims, doorbells);
    const auto outcomes = send(run);
    const auto progress = routing::progress(claims, doorbells, run, outcomes);
    write_marks(transaction, routing::marks(claims, progress, pauses_of(config_)));
    std::vector<StreamKey> released;
    for (const auto& one : claims) {
        turn[one.stream] = {one, progress.at(one.stream), doorbells.at(one.stream).target};
        if (one.held_before && !one.held) released.push_back(one.stream);
    }
    // What rang while a stream was held is acknowledged and gone; its end is known to the splitter's row
    // only.
    std::sort(released.begin(), released.end());
    for (const auto& [stream, assigned] : read_assigned(transaction, released)) {
        turn.at(stream).wanted = std::max(turn.at(stream).wanted, assigned);
    }
}

std::vector<Claim> Handler::claim(Transaction& transaction, const Doorbells& doorbells) {
    const auto allowances =
        routing::allowances(doorbells, static_cast<std::int64_t>(config_.run_messages_max),
                            static_cast<std::int64_t>(config_.catch_up_max));
    auto claims = claim_streams(transaction, doorbells, allowances);
    if (claims.size() < doorbells.size()) throw MissingRows{};
    return claims;
}

std::vector<routing::Outcome> Handler::send(std::vector<Sending>& run) {
    std::vector<amqp::Outgoing> messages;
    messages.reserve(run.size());
    for (auto& sending : run) messages.push_back(outgoing(sending, queue_of(sending.stream)));
    const auto confirms = outlet_->publish(messages, config_.confirm_timeout);
    CARTWRIGHT_ASSERT(confirms.size() == run.size());
    const auto broker_trouble = outlet_->trouble();
    std::vector<routing::Outcome> outcomes;
    outcomes.reserve(run.size());
    std::map<std::string, bool> in_time;
    for (std::size_t i = 0; i < run.size(); ++i) {
        outcomes.push_back(outcome_of(confirms[i], broker_trouble));
        if (confirms[i] == amqp::Confirm::unsent) continue;
        const bool unanswered = confirms[i] == amqp::Confirm::unknown && broker_trouble.empty();
        auto& queue = in_time.try_emplace(messages[i].routing_key, true).first->second;
        queue = queue && !unanswered;
        if (confirms[i] == amqp::Confirm::accepted) counters_.delivered.add();
    }
    for (const auto& [queue, all] : in_time) queues_.answered(queue, all);
    return outcomes;
}

void Handler::remember(const Turn& turn) {
    for (const auto& [stream, reached] : turn) {
        const auto stop = reached.progress.stop;
        if (!reached.claim.held) report(reached.claim, reached.progress);
        const bool carries_on = !reached.claim.held && (stop == Stop::nothing || stop == Stop::interrupted);
        if (carries_on && reached.progress.delivered < reached.wanted) {
            unfinished_[stream] = reached.wanted;
        } else {
            unfinished_.erase(stream);
        }
    }
}

/// Streams that are where they were at the last look: a message that is merely on its way is left to it.
Doorbells Handler::look_for_stalled() {
    std::vector<Behind> page;
    session_->transaction([&](Transaction& transaction) {
        page = streams_behind(transaction, sweep_.after, config_.sweep_page_max);
    });
    counters_.behind.set(static_cast<double>(page.size()));
    Doorbells stalled;
    std::map<StreamKey, std::int64_t> behind;
    for (const auto& one : page) {
        const auto before = sweep_.behind.find(one.stream);
        if (before != sweep_.behind.end() && before->second == one.delivered)
            stalled[one.stream].target = one.assigned;
        behind.emplace(one.stream, one.delivered);
    }
    sweep_.behind = std::move(behind);
    const bool whole_page = page.size() == config_.sweep_page_max;
    if (sweep_.seen_once || page.empty()) {
        sweep_.seen_once = false;
        if (whole_page || page.empty()) sweep_.behind.clear();
        sweep_.after = whole_page ? page.back().stream : StreamKey{};
    } else {
        sweep_.seen_once = true;
    }
    return stalled;
}

void Handler::tick() {
    auto stalled = look_for_stalled();
    if (!stalled.empty()) {
        counters_.swept.add(static_cast<double>(stalled.size()));
        log::warn("streams_left_behind", {{"streams", stalled.size()}});
    }
    for (const auto& [stream, target] : unfinished_)
        stalled[stream].target = std::max(stalled[stream].target, target);
    const auto deadline = Clock::now() + config_.sweep_time_max;
    while (!stalled.empty() && Clock::now() < deadline) {
        Doorbells turn;
        while (!stalled.empty() && turn.size() < config_.sweep_streams_max) {
            turn.insert(stalled.extract(stalled.begin()));
        }
        for (const auto& [stream, reached] : deliver(turn)) {
            sweep_.behind.erase(stream);
            const bool more = reached.progress.delivered < reached.wanted && !reached.claim.held;
            if (more && reached.progress.stop == Stop::nothing) stalled[stream].target = reached.wanted;
        }
    }
}

}  // namespace cartwright::router
