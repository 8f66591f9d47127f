#include "workers/router/courier.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "common/codec/encode.hpp"
#include "common/crypto/digest.hpp"
#include "common/crypto/webhook.hpp"
#include "common/http/caller.hpp"
#include "common/log/log.hpp"
#include "common/metrics/metrics.hpp"
#include "common/outcome/trouble.hpp"
#include "workers/router/answers.hpp"
#include "workers/router/line.hpp"
#include "workers/router/statements.hpp"

namespace cartwright::router {
namespace {

using postgres::Transaction;
using routing::StreamKey;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t leases_at_once_max = 200;
constexpr milliseconds idle_wait{1'000};
constexpr milliseconds pause_min{50};
constexpr milliseconds pause_max{2'000};
/// A lease is given up early enough for its commit.
constexpr milliseconds lease_margin{2'000};
constexpr milliseconds unknown_destination_pause{30'000};

/// A stream under lease, being called.
struct Run {
    Lease lease;
    std::shared_ptr<const routing::Rules> rules;  ///< keeps the destination
    const routing::Destination* destination = nullptr;
    Clock::time_point leased_at;
    Clock::time_point called_at;
    std::int64_t delivered = 0;
};

/// Any id that may stand in a header, else a hash of it.
std::string webhook_id(const std::string& id) {
    const bool plain = id.size() <= 255 && std::all_of(id.begin(), id.end(),
                                                       [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    return plain ? id : "sha256:" + crypto::hex(crypto::sha256(id));
}

http::Call call_of(const StreamKey& stream, std::int64_t number, const std::string& body,
                   const routing::Endpoint& endpoint, std::size_t answer_bytes_max) {
    const auto id = webhook_id(codec::seller_message_id(stream.seller_id, stream.stream.str(), number));
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    const auto time_s = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
    http::Call call;
    call.url = endpoint.url;
    call.body = body;
    call.headers = {{"content-type", amqp::json_event},
                    {"webhook-id", id},
                    {"webhook-timestamp", std::to_string(time_s)},
                    {"webhook-signature", crypto::webhook_signature(endpoint.secrets, id, time_s, body)},
                    {"user-agent", "cartwright-router"}};
    call.connect_timeout = endpoint.connect_timeout;
    call.total_timeout = endpoint.total_timeout;
    call.answer_bytes_max = answer_bytes_max;
    call.ca_file = endpoint.ca_file;
    call.private_addresses = endpoint.private_addresses;
    return call;
}

const char* name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::accepted:
            return "accepted";
        case Verdict::failing:
            return "failing";
        case Verdict::refused:
            return "refused";
        case Verdict::gone:
            return "gone";
    }
    CARTWRIGHT_ASSERT(false);
    return "";
}

struct Falling {
    std::string from, to, reason;
    auto operator<=>(const Falling&) const = default;
};

}  // namespace

struct Courier::State {
    std::unique_ptr<postgres::Session> session;
    Routes routes;
    EndpointConfig config;
    http::Caller caller;

    std::mutex mutex;
    std::set<StreamKey> rung, returned;
    bool finishing = false;
    Clock::time_point finish_by;
    std::thread thread;

    // Of the thread.
    Line line;
    std::map<std::uint64_t, Run> runs;  ///< by the call's id
    std::uint64_t last_id = 0;
    std::vector<Release> releases;
    std::map<Falling, std::vector<StreamKey>> falling;
    std::map<StreamKey, std::string> unknown;  ///< streams whose destination is none, to be held
    bool more = false;                         ///< there is something to begin at once
    std::multimap<Clock::time_point, StreamKey> timers;
    milliseconds pause{0};
    std::string trouble;
    std::map<Verdict, metrics::Counter> answers;
    metrics::Histogram call_seconds;
    metrics::Gauge in_flight, waiting;

    State(std::unique_ptr<postgres::Session> own_session, routing::RulesSource rules,
          const EndpointConfig& wanted);
    void run();
    bool over();
    void turn();
    void take_rung();
    void look_up_queues(const std::set<StreamKey>& streams);
    void ring_again(const StreamKey& stream);
    void place(const StreamKey& stream);
    void lease();
    void look_at(const std::vector<StreamKey>& unleased);
    void hold_unknown();
    void call(std::uint64_t id);
    void answered(const http::CallResult& result);
    void end(std::uint64_t id, const Answer* failure);
    Release failed(const Run& run, const Answer& answer);
    void release();
    milliseconds wait_time();
    bool stops_calling();
};

Courier::State::State(std::unique_ptr<postgres::Session> own_session, routing::RulesSource rules,
                      const EndpointConfig& wanted)
    : session(std::move(own_session)),
      routes(std::move(rules)),
      config(wanted),
      caller(wanted.calls_max),
      line(wanted.calls_max, wanted.failing_calls_max) {
    for (const auto verdict : {Verdict::accepted, Verdict::failing, Verdict::refused, Verdict::gone}) {
        answers[verdict] = metrics::counter("cartwright_endpoint_calls_total", "Calls to sellers' endpoints",
                                            {{"outcome", name_of(verdict)}});
    }
    call_seconds = metrics::histogram("cartwright_endpoint_call_seconds", "Time that a call took",
                                      metrics::seconds_bounds());
    in_flight = metrics::gauge("cartwright_endpoint_calls", "Calls under way");
    waiting = metrics::gauge("cartwright_endpoint_streams_waiting", "Streams that wait for their turn");
}

bool Courier::State::over() {
    const std::lock_guard lock(mutex);
    if (!finishing) return false;
    return (runs.empty() && releases.empty()) || Clock::now() >= finish_by;
}

bool Courier::State::stops_calling() {
    const std::lock_guard lock(mutex);
    return finishing;
}

void Courier::State::run() {
    while (!over()) {
        try {
            turn();
            if (!trouble.empty()) log::info("courier_resumed");
            trouble.clear();
            pause = milliseconds{0};
        } catch (const outcome::Unavailable& error) {
            if (trouble != error.what())
                log::warn("courier_paused", {{"why", std::string_view(error.what())}});
            trouble = error.what();
            pause = std::clamp(pause * 2, pause_min, pause_max);
        } catch (const outcome::Retry& error) {
            log::info("courier_again", {{"why", std::string_view(error.what())}});
            pause = std::clamp(pause * 2, pause_min, pause_max);
        }
        for (const auto& result : caller.run(wait_time())) answered(result);
    }
}

void Courier::State::turn() {
    more = false;
    routes.refresh(*session);
    release();
    take_rung();
    hold_unknown();
    if (!stops_calling()) lease();
    in_flight.set(static_cast<double>(runs.size()));
    waiting.set(static_cast<double>(line.waiting()));
}

milliseconds Courier::State::wait_time() {
    if (pause.count() > 0) return pause;
    if (more || !releases.empty()) return milliseconds{0};
    if (timers.empty()) return idle_wait;
    const auto due = std::chrono::ceil<milliseconds>(timers.begin()->first - Clock::now());
    return std::clamp(due, milliseconds{0}, idle_wait);
}

void Courier::State::take_rung() {
    std::set<StreamKey> streams;
    {
        const std::lock_guard lock(mutex);
        streams.swap(rung);
    }
    const auto now = Clock::now();
    while (!timers.empty() && timers.begin()->first <= now) {
        streams.insert(timers.begin()->second);
        timers.erase(timers.begin());
    }
    look_up_queues(streams);
    for (const auto& stream : streams) place(stream);
}

/// Who rings here was found on the way to an endpoint: what is believed to go to a queue may have numbers
/// left that belong where they were tried.
void Courier::State::look_up_queues(const std::set<StreamKey>& streams) {
    std::vector<StreamKey> at_queues;
    for (const auto& stream : streams) {
        if (routing::is_queue(routes.believed(stream).destination)) at_queues.push_back(stream);
    }
    if (at_queues.empty()) return;
    try {
        routes.settle(*session, at_queues);
    } catch (...) {
        for (const auto& stream : streams) ring_again(stream);
        throw;
    }
}

void Courier::State::ring_again(const StreamKey& stream) {
    const std::lock_guard lock(mutex);
    rung.insert(stream);
}

/// In the line of its destination, or back to where queues are served.
void Courier::State::place(const StreamKey& stream) {
    const auto believed = routes.believed(stream);
    if (routing::is_queue(believed.destination)) {
        const std::lock_guard lock(mutex);
        returned.insert(stream);
        return;
    }
    const auto* destination = routes.destination(believed.destination);
    if (destination == nullptr) {
        unknown[stream] = believed.destination;
        return;
    }
    line.add(destination->name, destination->endpoint.calls_max, stream);
}

/// Whoever's rules are not the newest may not know a destination that others know: it looks again soon.
void Courier::State::hold_unknown() {
    if (unknown.empty()) return;
    if (!routes.newest(*session)) {
        for (const auto& [stream, destination] : unknown) timers.emplace(Clock::now() + idle_wait, stream);
        unknown.clear();
    }
    while (!unknown.empty()) {
        const auto& [stream, destination] = *unknown.begin();
        session->transaction([&](Transaction& transaction) {
            hold_stream(transaction, stream, destination, "unknown_destination",
                        "the rules have no destination " + destination +
                            " any more: put it back, or switch the stream by command",
                        unknown_destination_pause);
        });
        log::warn("unknown_destination",
                  {{"seller", stream.seller_id}, {"stream", stream.stream}, {"destination", destination}});
        timers.emplace(Clock::now() + unknown_destination_pause, stream);
        unknown.erase(unknown.begin());
    }
}

void Courier::State::lease() {
    const auto next = line.next(leases_at_once_max);
    more = next.size() == leases_at_once_max;
    std::map<StreamKey, Believed> wanted;
    std::map<StreamKey, std::string> destinations;
    for (const auto& one : next) {
        auto believed = routes.believed(one.stream);
        if (believed.destination == one.destination && routes.destination(one.destination) != nullptr) {
            wanted.emplace(one.stream, std::move(believed));
            destinations.emplace(one.stream, one.destination);
        } else {
            line.ended(one.destination, Line::End::no_call);
            ring_again(one.stream);
            more = true;
        }
    }
    if (wanted.empty()) return;
    const auto begun_at = Clock::now();
    std::vector<Lease> leases;
    try {
        session->transaction([&](Transaction& transaction) {
            leases = lease_streams(transaction, wanted, static_cast<std::int64_t>(config.catch_up_max),
                                   config.lease);
        });
    } catch (...) {
        for (const auto& [stream, destination] : destinations) {
            line.ended(destination, Line::End::no_call);
            ring_again(stream);
        }
        throw;
    }
    for (auto& leased : leases) {
        const auto stream = leased.stream;
        Run run{std::move(leased), routes.rules(), nullptr, begun_at, begun_at, 0};
        run.destination = run.rules->destination(destinations.at(stream));
        run.delivered = run.lease.delivered;
        destinations.erase(stream);
        runs.emplace(++last_id, std::move(run));
        call(last_id);
    }
    std::vector<StreamKey> unleased;
    for (const auto& [stream, destination] : destinations) {
        line.ended(destination, Line::End::no_call);
        unleased.push_back(stream);
    }
    look_at(unleased);
}

/// Streams that could not be leased: held, leased by others and done ones are let go, they ring again or are
/// found by the sweep. What is not where it was believed to be is looked up.
void Courier::State::look_at(const std::vector<StreamKey>& unleased) {
    if (unleased.empty()) return;
    try {
        std::map<StreamKey, Row> rows;
        session->transaction([&](Transaction& transaction) { rows = read_rows(transaction, unleased); });
        std::vector<StreamKey> elsewhere;
        for (const auto& stream : unleased) {
            const auto row = rows.find(stream);
            if (row == rows.end() || !is_as_believed(row->second, routes.believed(stream)))
                elsewhere.push_back(stream);
        }
        if (elsewhere.empty()) return;
        routes.settle(*session, elsewhere);
        for (const auto& stream : elsewhere) ring_again(stream);
        more = true;
    } catch (...) {
        for (const auto& stream : unleased) ring_again(stream);
        throw;
    }
}

void Courier::State::call(std::uint64_t id) {
    auto& run = runs.at(id);
    const auto& content = run.lease.contents[static_cast<std::size_t>(run.delivered - run.lease.delivered)];
    run.called_at = Clock::now();
    caller.start(id, call_of(run.lease.stream, run.delivered + 1, content.body, run.destination->endpoint,
                             config.answer_bytes_max));
}

void Courier::State::answered(const http::CallResult& result) {
    auto& run = runs.at(result.id);
    const auto now = Clock::now();
    call_seconds.observe(std::chrono::duration<double>(now - run.called_at).count());
    const auto answer = answer_of(result);
    answers.at(answer.verdict).add();
    if (answer.verdict != Verdict::accepted) return end(result.id, &answer);
    ++run.delivered;
    const auto lease_left = run.leased_at + config.lease - lease_margin - now;
    const bool time_left = lease_left > run.destination->endpoint.total_timeout;
    if (run.delivered < run.lease.to && time_left && !stops_calling()) return call(result.id);
    end(result.id, nullptr);
}

void Courier::State::end(std::uint64_t id, const Answer* failure) {
    const auto node = runs.extract(id);
    const auto& run = node.mapped();
    line.ended(run.destination->name, failure == nullptr ? Line::End::succeeded : Line::End::failed);
    if (failure != nullptr) {
        releases.push_back(failed(run, *failure));
    } else {
        Release release;
        release.stream = run.lease.stream;
        release.epoch = run.lease.epoch;
        release.delivered = run.delivered;
        releases.push_back(std::move(release));
    }
}

/// What a stream's row says after a failure: how long it waits, for whom, and whether it goes elsewhere.
Release Courier::State::failed(const Run& run, const Answer& answer) {
    const bool progressed = run.delivered > run.lease.delivered;
    const auto before = progressed ? 0 : run.lease.attempts;
    const routing::Pauses pauses{config.retry_delay_min, config.retry_delay_max, {}};
    Release release;
    release.stream = run.lease.stream;
    release.epoch = run.lease.epoch;
    release.delivered = run.delivered;
    release.doubtful = answer.definite ? 0 : run.delivered + 1;
    release.attempts = before + 1;
    release.trouble = answer.trouble;
    release.held_for = answer.verdict == Verdict::failing ? "failing" : name_of(answer.verdict);
    if (answer.definite) release.refused = run.delivered + 1;
    release.pause = routing::pause_after(before, pauses);
    if (answer.retry_after)
        release.pause = std::max(*release.pause, std::min(*answer.retry_after, config.retry_after_max));
    const auto& fallback = run.destination->fallback;
    if (answer.verdict != Verdict::failing && !fallback) release.for_good = true;
    log::warn("stream_stopped", {{"seller", run.lease.stream.seller_id},
                                 {"stream", run.lease.stream.stream},
                                 {"destination", run.destination->name},
                                 {"delivered", run.delivered},
                                 {"failures_before", before},
                                 {"held_for", release.held_for},
                                 {"why", answer.trouble}});
    if (!fallback) return release;
    const auto failing_for =
        progressed || run.lease.failing_for.count() < 0
            ? milliseconds{0}
            : run.lease.failing_for + std::chrono::ceil<milliseconds>(Clock::now() - run.leased_at);
    if (failing_for >= fallback->after) {
        falling[{run.destination->name, fallback->to, release.held_for + ": " + answer.trouble}].push_back(
            release.stream);
    } else if (answer.verdict != Verdict::failing) {
        release.pause = std::max(*release.pause, fallback->after - failing_for);
    } else {
        release.pause =
            std::min(*release.pause, std::max(config.retry_delay_min, fallback->after - failing_for));
    }
    return release;
}

/// Commits what leases achieved. Whoever got on is placed again, for what was assigned meanwhile: a doorbell
/// that met this lease was let go.
void Courier::State::release() {
    if (!releases.empty()) {
        std::sort(releases.begin(), releases.end(),
                  [](const Release& a, const Release& b) { return a.stream < b.stream; });
        session->transaction([&](Transaction& transaction) { release_streams(transaction, releases); });
        for (const auto& one : std::exchange(releases, {})) {
            if (!one.pause && !one.for_good) {
                ring_again(one.stream);
            } else if (one.pause && !one.for_good) {
                timers.emplace(Clock::now() + *one.pause, one.stream);
            }
        }
    }
    for (auto node = falling.begin(); node != falling.end(); node = falling.erase(node)) {
        auto& streams = node->second;
        std::sort(streams.begin(), streams.end());
        routes.fall_back(*session, streams, node->first.from, node->first.to, node->first.reason);
        for (const auto& stream : streams) ring_again(stream);
    }
}

Courier::Courier(std::unique_ptr<postgres::Session> session, routing::RulesSource rules,
                 const EndpointConfig& config)
    : state_(std::make_unique<State>(std::move(session), std::move(rules), config)) {
    state_->thread = std::thread([this] { state_->run(); });
}

Courier::~Courier() {
    finish(Clock::now());
}

void Courier::ring(const StreamKey& stream) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->rung.insert(stream);
    }
    state_->caller.wake();
}

std::vector<StreamKey> Courier::take_returned() {
    const std::lock_guard lock(state_->mutex);
    std::vector<StreamKey> streams(state_->returned.begin(), state_->returned.end());
    state_->returned.clear();
    return streams;
}

void Courier::finish(Clock::time_point deadline) {
    if (!state_->thread.joinable()) return;
    {
        const std::lock_guard lock(state_->mutex);
        state_->finishing = true;
        state_->finish_by = deadline;
    }
    state_->caller.wake();
    state_->thread.join();
}

}  // namespace cartwright::router
