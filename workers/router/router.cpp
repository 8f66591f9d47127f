#include "workers/router/router.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

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

/// New streams get their rows in one, a stream is settled in one, and goes on in another behind a switch that
/// is reached meanwhile.
constexpr int rounds_max = 5;

std::vector<StreamKey> streams_of(const Doorbells& doorbells) {
    std::vector<StreamKey> streams;
    for (const auto& [stream, doorbell] : doorbells) streams.push_back(stream);
    return streams;
}

std::vector<StreamKey> unclaimed(const Doorbells& doorbells, const std::vector<Claim>& claims) {
    std::set<StreamKey> claimed;
    for (const auto& one : claims) claimed.insert(one.stream);
    auto streams = streams_of(doorbells);
    std::erase_if(streams, [&](const StreamKey& stream) { return claimed.contains(stream); });
    return streams;
}

bool is_own_queue(const std::string& queue) {
    return queue.starts_with("seller.");
}

/// Thrown out of the transaction when streams have no rows yet.
struct MissingRows {
    std::vector<StreamKey> streams;
};

const message::SellerMessage* seller_message(const worker::Member& member) {
    return std::get_if<message::SellerMessage>(&member.event.payload);
}

/// `broker_trouble`: what is wrong with the broker as a whole, after the run.
routing::Outcome outcome_of(amqp::Confirm confirm, const std::string& broker_trouble) {
    switch (confirm) {
        case amqp::Confirm::accepted:
            return {};
        case amqp::Confirm::refused:
            return {Stop::failed, "the broker refused it"};
        case amqp::Confirm::returned:
            return {Stop::failed, "no queue takes it", true};
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

Handler::Handler(std::unique_ptr<postgres::Session> session,
                 std::unique_ptr<postgres::Session> courier_session, std::unique_ptr<Outlet> outlet,
                 routing::RulesSource rules, std::size_t sellers_queues, const Config& config)
    : session_(std::move(session)),
      outlet_(std::move(outlet)),
      routes_(rules),
      courier_(std::move(courier_session), std::move(rules), config.endpoints),
      sellers_queues_(sellers_queues),
      config_(config),
      queues_([this](const std::string& queue) { return outlet_->depth(queue); },
              config.seller_queue_depth_max) {
    counters_.delivered =
        metrics::counter("cartwright_router_delivered_total", "Messages that sellers' queues took");
    counters_.read_back = metrics::counter("cartwright_router_read_back_total",
                                           "Messages read from PostgreSQL because their own had not arrived");
    counters_.swept = metrics::counter("cartwright_router_swept_total", "Streams that only the sweep found");
    counters_.oldest_seconds = metrics::gauge("cartwright_router_oldest_waiting_seconds",
                                              "Age of the oldest message that waits, at the last sweep");
    for (const auto* held_for : {"", "failing", "full", "refused", "gone", "unknown_destination"}) {
        counters_.behind[held_for] = metrics::gauge("cartwright_router_streams_behind",
                                                    "Streams with undelivered messages at the last sweep",
                                                    {{"held_for", *held_for == '\0' ? "nothing" : held_for}});
    }
}

void Handler::finish(Clock::time_point deadline) {
    courier_.finish(deadline);
}

std::string Handler::queue_of(const StreamKey& stream) const {
    const auto destination = routes_.believed(stream).destination;
    CARTWRIGHT_ASSERT(routing::is_queue(destination));
    if (destination == routing::own_destination) return amqp::own_seller_queue(stream.seller_id.str());
    return amqp::seller_queue(routing::shared_queue_of(stream.seller_id, sellers_queues_));
}

amqp::Outgoing Handler::outgoing(Sending& sending) const {
    amqp::Outgoing message;
    const auto& seller = sending.stream.seller_id;
    const auto& stream = sending.stream.stream.str();
    message.routing_key = queue_of(sending.stream);
    message.exchange = "sellers";
    message.body = std::move(sending.content.body);
    message.type = std::move(sending.content.type);
    message.message_id = worker::message_id_of(codec::seller_message_id(seller, stream, sending.number));
    message.headers = {{"seller", seller.str()}, {"stream", stream}, {"number", sending.number}};
    return message;
}

worker::Result Handler::handle(std::span<const worker::Member> batch) {
    auto doorbells = doorbells_of(batch);
    const auto turn = deliver(doorbells);
    worker::Result result;
    result.verdicts.assign(batch.size(), outcome::Done{});
    routing::ByStream<std::vector<std::size_t>> rung;
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

/// Rounds, because a stream may turn out to go elsewhere than was believed, or reach the number of a switch.
Handler::Turn Handler::deliver(Doorbells& doorbells) {
    routes_.refresh(*session_);
    for (const auto& stream : courier_.take_returned()) returned_.insert(stream);
    if (!returned_.empty()) ring_returned(doorbells);
    Turn turn;
    auto open = std::move(doorbells);
    for (int round = 0; round < rounds_max && !open.empty(); ++round) {
        hand_over(open, turn);
        open = deliver_to_queues(std::move(open), turn);
    }
    remember(turn);
    for (const auto& [stream, reached] : turn) {
        if (reached.progress.stop == Stop::interrupted) throw outcome::Unavailable(reached.progress.trouble);
    }
    return turn;
}

/// Streams that the courier found to go to a queue: nobody else will ring for what they have.
void Handler::ring_returned(Doorbells& doorbells) {
    const std::vector<StreamKey> streams(returned_.begin(), returned_.end());
    std::map<StreamKey, std::int64_t> assigned;
    session_->transaction([&](Transaction& transaction) { assigned = read_assigned(transaction, streams); });
    for (const auto& [stream, last] : assigned) {
        doorbells[stream].target = std::max(doorbells[stream].target, last);
        unfinished_[stream] = std::max(unfinished_[stream], last);
    }
    returned_.clear();
}

/// What goes to endpoints is the courier's from here on. Rows are looked at first, so that a stream that goes
/// to a queue for some numbers more is delivered in this turn.
void Handler::hand_over(Doorbells& doorbells, Turn& turn) {
    std::vector<StreamKey> streams;
    for (const auto& [stream, doorbell] : doorbells) {
        if (!routing::is_queue(routes_.believed(stream).destination)) streams.push_back(stream);
    }
    if (streams.empty()) return;
    std::map<StreamKey, Row> rows;
    session_->transaction([&](Transaction& transaction) { rows = read_rows(transaction, streams); });
    std::erase_if(streams, [&](const StreamKey& stream) {
        const auto row = rows.find(stream);
        return row != rows.end() && is_as_believed(row->second, routes_.believed(stream));
    });
    if (!streams.empty()) routes_.settle(*session_, streams);
    for (auto entry = doorbells.begin(); entry != doorbells.end();) {
        const auto& [stream, doorbell] = *entry;
        if (routing::is_queue(routes_.believed(stream).destination)) {
            ++entry;
            continue;
        }
        courier_.ring(stream);
        Reached reached;
        reached.claim.stream = stream;
        reached.progress.delivered = doorbell.target;
        reached.wanted = doorbell.target;
        turn[stream] = std::move(reached);
        entry = doorbells.erase(entry);
    }
}

/// Queues are asked for their depth before rows are locked. What is left has its rows now, or was settled,
/// and is to be tried again.
Doorbells Handler::deliver_to_queues(Doorbells doorbells, Turn& turn) {
    if (doorbells.empty()) return {};
    if (const auto trouble = outlet_->trouble(); !trouble.empty()) throw outcome::Unavailable(trouble);
    for (auto& [stream, doorbell] : doorbells) {
        if (const auto more = unfinished_.find(stream); more != unfinished_.end()) {
            doorbell.target = std::max(doorbell.target, more->second);
        }
        doorbell.blocked = queue_trouble(queue_of(stream));
    }
    try {
        session_->transaction_once([&](Transaction& transaction) { transact(transaction, doorbells, turn); });
    } catch (const MissingRows& missing) {
        routes_.make_rows(*session_, missing.streams);
        return doorbells;
    }
    Doorbells again;
    for (auto& [stream, doorbell] : doorbells) {
        const auto& reached = turn.at(stream);
        const auto next_from = routes_.believed(stream).next_from;
        const bool at_switch = next_from && reached.progress.delivered + 1 >= *next_from &&
                               reached.wanted >= *next_from && reached.progress.stop == Stop::nothing;
        if (!reached.claim.routed || at_switch) again.emplace(stream, std::move(doorbell));
    }
    if (!again.empty()) routes_.settle(*session_, streams_of(again));
    return again;
}

std::string Handler::queue_trouble(const std::string& queue) {
    if (is_own_queue(queue) && !declared_.contains(queue)) {
        try {
            outlet_->declare(queue);
            declared_.insert(queue);
        } catch (const outcome::Refused& refused) {
            return fmt::format("queue {} can't be declared: {}", queue, refused.what());
        }
    }
    return queues_.trouble(queue);
}

void Handler::transact(Transaction& transaction, Doorbells& doorbells, Turn& turn) {
    const auto claims = claim(transaction, doorbells);
    routing::forget_replaced(claims, doorbells);
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
    routing::ByStream<Wanted> wanted;
    for (const auto& [stream, allowance] : allowances)
        wanted.emplace(stream, Wanted{routes_.believed(stream), allowance});
    auto claims = claim_streams(transaction, doorbells, wanted);
    if (claims.size() < doorbells.size()) throw MissingRows{unclaimed(doorbells, claims)};
    return claims;
}

std::vector<routing::Outcome> Handler::send(std::vector<Sending>& run) {
    std::vector<amqp::Outgoing> messages;
    messages.reserve(run.size());
    for (auto& sending : run) messages.push_back(outgoing(sending));
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
        if (confirms[i] == amqp::Confirm::returned) declared_.erase(messages[i].routing_key);
    }
    for (const auto& [queue, all] : in_time) queues_.answered(queue, all);
    return outcomes;
}

void Handler::remember(const Turn& turn) {
    for (const auto& [stream, reached] : turn) {
        const auto stop = reached.progress.stop;
        if (!reached.claim.held) report(reached.claim, reached.progress);
        const bool carries_on = !reached.claim.held && reached.claim.routed &&
                                (stop == Stop::nothing || stop == Stop::interrupted);
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

void Handler::count_waiting() {
    std::vector<Waiting> waiting;
    session_->transaction([&](Transaction& transaction) { waiting = streams_waiting(transaction); });
    std::chrono::milliseconds oldest{0};
    for (const auto& [held_for, gauge] : counters_.behind) gauge.set(0);
    for (const auto& one : waiting) {
        oldest = std::max(oldest, one.oldest);
        if (const auto gauge = counters_.behind.find(one.held_for); gauge != counters_.behind.end())
            gauge->second.set(static_cast<double>(one.streams));
    }
    counters_.oldest_seconds.set(std::chrono::duration<double>(oldest).count());
}

void Handler::tick() {
    count_waiting();
    Doorbells none;
    deliver(none);
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
