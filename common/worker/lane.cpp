#include "common/worker/lane.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/codec/encode.hpp"
#include "common/crypto/digest.hpp"
#include "common/log/log.hpp"
#include "common/metrics/metrics.hpp"
#include "common/outcome/trouble.hpp"
#include "common/worker/member_by_member.hpp"
#include "common/worker/noted_attempts.hpp"
#include "common/worker/pausing.hpp"

namespace cartwright::worker {
namespace {

using Clock = std::chrono::steady_clock;
using outcome::Again;
using outcome::Done;
using outcome::Later;
using outcome::Park;
using outcome::Verdict;

/// From this count on a message is suspicious: two redeliveries may be cut connections, or deaths of a
/// process. Suspects are handled together until a process dies over them, from then on each alone.
constexpr std::int64_t suspicious_delivery_count = 2;
/// What a lane that pauses needs to notice that it has to stop.
constexpr std::chrono::milliseconds leaving_time{500};

/// A delivery that is being worked on. `open` counts its events that are not yet finished and confirmed.
struct InHand {
    amqp::Delivery delivery;
    Clock::time_point received_at = Clock::now();
    std::atomic<std::size_t> open = 0;
    bool many = false;
};

/// A delivery that waits, or (with `member`) an event of one that has another turn.
struct Waiting {
    std::shared_ptr<InHand> hand;
    std::optional<Member> member;
};

struct Batch {
    std::vector<std::shared_ptr<InHand>> hands;  ///< one a member
    std::vector<Member> members;
    Result done;                                      ///< of what could not be read: parked at once
    std::vector<std::shared_ptr<InHand>> done_hands;  ///< one a verdict of `done`
    std::vector<std::string_view> done_raws;

    bool empty() const { return members.empty() && done.verdicts.empty(); }
};

using Suspects = std::vector<std::shared_ptr<InHand>>;

}  // namespace

struct Lane::State {
    LaneSettings settings;
    LaneContext context;
    std::unique_ptr<Handler> handler;
    codec::Decoder decoder;
    Pausing::Hooks hooks;
    NotedAttempts noted;

    mutable std::mutex mutex;
    std::condition_variable changed;
    std::deque<Waiting> waiting;
    std::size_t in_flight = 0;
    bool draining = false;
    bool stopping = false;
    bool ended = false;
    Clock::time_point deadline;  ///< of draining
    std::string trouble;
    std::thread thread;
    std::atomic<Clock::rep> busy_since = 0;

    metrics::Counter done, parked, later, again;
    metrics::Histogram batch_members, batch_seconds, handling_seconds;
    metrics::Counter paused_seconds;

    State(LaneSettings wanted, LaneContext surroundings, std::unique_ptr<Handler> own_handler);

    void run();
    bool take(Batch& batch, Suspects& suspects);
    std::optional<Waiting> next(bool first, bool suspicious);
    void open(const std::shared_ptr<InHand>& hand, Batch& batch);
    void work(Batch batch);
    void work(const Suspects& suspects);
    void work_alone(const std::shared_ptr<InHand>& hand);
    void settle(Batch& batch, Result result);
    void settle_one(const std::shared_ptr<InHand>& hand, const Troubled& troubled,
                    const std::string& reply_to, const Verdict& verdict,
                    std::vector<amqp::Outgoing>& outgoing);
    void confirmed(const std::vector<std::shared_ptr<InHand>>& finished);
    bool wait(std::chrono::milliseconds time);
    void tick();
    std::size_t in_flight_max() const { return settings.kind == LaneKind::delivery ? 1 : 2; }
};

Lane::State::State(LaneSettings wanted, LaneContext surroundings, std::unique_ptr<Handler> own_handler)
    : settings(std::move(wanted)),
      context(std::move(surroundings)),
      decoder(context.limits),
      noted(*context.attempts, hooks) {
    const metrics::Labels lane{{"lane", settings.name}};
    const auto verdicts = [&](const char* verdict) {
        return metrics::counter("cartwright_events_total", "Events by what became of them",
                                {{"lane", settings.name}, {"verdict", verdict}});
    };
    done = verdicts("done");
    parked = verdicts("parked");
    later = verdicts("later");
    again = verdicts("again");
    batch_members = metrics::histogram("cartwright_batch_events", "Events handled in one batch",
                                       {1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 2'000}, lane);
    batch_seconds =
        metrics::histogram("cartwright_batch_seconds", "Time a handler took for a batch",
                           {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30}, lane);
    handling_seconds =
        metrics::histogram("cartwright_unacknowledged_seconds", "Time from a delivery to its acknowledgement",
                           {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30}, lane);
    paused_seconds =
        metrics::counter("cartwright_paused_seconds_total", "Time a lane waited for a server", lane);
    hooks.paused = [this](const std::string& why) {
        busy_since = 0;
        log::warn("lane_paused", {{"lane", settings.name}, {"why", why}});
        noted.take_back();
        const std::lock_guard lock(mutex);
        trouble = why;
    };
    hooks.resumed = [this] {
        {
            const std::lock_guard lock(mutex);
            if (trouble.empty()) return;
            trouble.clear();
        }
        log::info("lane_resumed", {{"lane", settings.name}});
    };
    hooks.wait = [this](std::chrono::milliseconds time) { return wait(time); };
    // Who waits for a lock again and again is not stuck, and would not be healed by being killed.
    const auto begins = [this] { busy_since = Clock::now().time_since_epoch().count(); };
    handler = std::make_unique<Pausing>(
        std::make_unique<MemberByMember>(std::move(own_handler), batch_retries_max,
                                         MemberByMember::Hooks{begins, hooks.resumed}),
        hooks);
}

/// What a tick could not do now the next one does.
void Lane::State::tick() {
    try {
        until_available(hooks, [&] { handler->tick(); });
    } catch (const std::runtime_error& error) {
        log::warn("tick_failed", {{"lane", settings.name}, {"why", std::string_view(error.what())}});
    }
}

bool Lane::State::wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, time, [&] { return stopping; });
    paused_seconds.add(std::chrono::duration<double>(time).count());
    if (!stopping) busy_since = Clock::now().time_since_epoch().count();
    return !stopping;
}

void Lane::State::run() {
    auto next_tick = Clock::now() + settings.tick;
    try {
        for (;;) {
            Batch batch;
            Suspects suspects;
            if (!take(batch, suspects)) break;
            busy_since = Clock::now().time_since_epoch().count();
            if (!suspects.empty()) work(suspects);
            if (!batch.empty()) work(std::move(batch));
            if (Clock::now() >= next_tick) {
                tick();
                next_tick = Clock::now() + settings.tick;
            }
            busy_since = 0;
        }
    } catch (const Stopped&) {
        log::warn("lane_stopped",
                  {{"lane", settings.name}, {"why", "the deadline came while a server was away"}});
    }
    Clock::time_point finish_by;
    {
        const std::lock_guard lock(mutex);
        finish_by = deadline;
    }
    handler->finish(finish_by);
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
}

/// Fills the batch with what is queued, at least one event, or names suspicious deliveries. False: nothing
/// more comes. Returns with nothing taken when the tick is due.
bool Lane::State::take(Batch& batch, Suspects& suspects) {
    {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, settings.tick, [&] {
            const bool room = in_flight < in_flight_max();
            return stopping || (room && !waiting.empty()) || (draining && waiting.empty() && in_flight == 0);
        });
        if (stopping || (draining && waiting.empty() && in_flight == 0)) return false;
        if (in_flight >= in_flight_max()) return true;
        if (waiting.size() > 1 && settings.gather.count() > 0)
            changed.wait_for(lock, settings.gather,
                             [&] { return stopping || draining || waiting.size() >= settings.members_max; });
    }
    while (batch.members.size() + suspects.size() < settings.members_max) {
        auto one = next(batch.empty() && suspects.empty(), !suspects.empty());
        if (!one) break;
        if (one->member) {
            batch.hands.push_back(one->hand);
            batch.members.push_back(std::move(*one->member));
        } else if (one->hand->delivery.delivery_count >= suspicious_delivery_count) {
            suspects.push_back(one->hand);
        } else {
            open(one->hand, batch);
        }
    }
    return true;
}

/// The next that waits, unless it is suspicious and those before it are not, or the other way round.
std::optional<Waiting> Lane::State::next(bool first, bool suspicious) {
    const std::lock_guard lock(mutex);
    if (waiting.empty()) return std::nullopt;
    auto& front = waiting.front();
    const bool suspect = !front.member && front.hand->delivery.delivery_count >= suspicious_delivery_count;
    if (!first && suspect != suspicious) return std::nullopt;
    auto one = std::move(front);
    waiting.pop_front();
    return one;
}

/// Decodes a delivery into members of the batch; what can't be read is parked at once.
void Lane::State::open(const std::shared_ptr<InHand>& hand, Batch& batch) {
    auto& delivery = hand->delivery;
    auto decoded = decoder.decode(delivery.body);
    hand->open = decoded.size();
    hand->many = decoded.size() > 1;
    const auto attempts = attempts_of(delivery);
    for (auto& one : decoded) {
        if (auto* problem = std::get_if<codec::Problem>(&one.content)) {
            batch.done.verdicts.push_back(Park{problem->reason, problem->detail});
            batch.done_hands.push_back(hand);
            batch.done_raws.push_back(hand->many ? one.raw : std::string_view(delivery.body));
        } else {
            batch.hands.push_back(hand);
            batch.members.push_back(Member{std::move(std::get<message::Event>(one.content)), one.raw,
                                           delivery.reply_to, delivery.correlation_id, attempts,
                                           delivery.redelivered});
        }
    }
    if (decoded.empty()) {
        hand->open = 1;
        batch.done.verdicts.push_back(Park{"malformed", "the batch holds no events"});
        batch.done_hands.push_back(hand);
        batch.done_raws.push_back(delivery.body);
    }
}

void Lane::State::work(Batch batch) {
    Result result;
    if (!batch.members.empty()) {
        const auto begun = Clock::now();
        result = handler->handle(batch.members);
        batch_seconds.observe(std::chrono::duration<double>(Clock::now() - begun).count());
        batch_members.observe(static_cast<double>(batch.members.size()));
    }
    settle(batch, std::move(result));
}

/// Deliveries over which a process may have died: as an ordinary batch, noted before it is even decoded, and
/// those over which one died alone. So that interrupted work does not crawl, and an innocent neighbour of a
/// poisonous message is charged with one death, not with all.
void Lane::State::work(const Suspects& suspects) {
    const auto suspicion = [](const InHand& hand) { return "suspect:" + key_of(hand.delivery); };
    Attempts::Keys keys;
    for (const auto& hand : suspects) keys.insert(suspicion(*hand));
    const auto died_before = noted.begin(keys);
    Suspects alone;
    Batch together;
    for (const auto& hand : suspects) {
        if (died_before.contains(suspicion(*hand))) {
            alone.push_back(hand);
            continue;
        }
        open(hand, together);
        if (together.members.size() >= settings.members_max) work(std::exchange(together, {}));
    }
    if (!together.empty()) work(std::move(together));
    for (const auto& key : died_before) keys.erase(key);
    noted.end(keys);
    for (const auto& hand : alone) {
        work_alone(hand);
        noted.end({suspicion(*hand)});
    }
}

/// Event by event, each attempt committed before it begins.
void Lane::State::work_alone(const std::shared_ptr<InHand>& hand) {
    const auto& delivery = hand->delivery;
    const auto guarded = [&](const std::string& of, const std::function<void(bool deadly)>& run) {
        run(noted.begin(of) >= context.deaths_max);
        noted.end({of});
    };
    const Park poison{"poison", "the process died over it again and again"};
    Batch read;
    guarded("message:" + key_of(delivery), [&](bool deadly) {
        if (!deadly) return open(hand, read);
        hand->open = 1;
        read.done.verdicts.push_back(poison);
        read.done_hands.push_back(hand);
        read.done_raws.push_back(delivery.body);
    });
    auto members = std::move(read.members);
    read.members.clear();
    read.hands.clear();
    if (!read.empty()) settle(read, {});
    for (auto& member : members) {
        guarded("event:" + member.event.envelope.id.str(), [&](bool deadly) {
            Batch one;
            one.hands.push_back(hand);
            one.members.push_back(std::move(member));
            if (deadly) return settle(one, {{poison}, {}});
            work(std::move(one));
        });
    }
}

/// Hands everything to the publisher; what is finished is acknowledged once it is confirmed.
void Lane::State::settle(Batch& batch, Result result) {
    auto outgoing = std::move(result.outgoing);
    std::vector<std::shared_ptr<InHand>> finished = std::move(batch.done_hands);
    for (std::size_t i = 0; i < finished.size(); ++i) {
        const auto& delivery = finished[i]->delivery;
        const Troubled troubled{delivery, batch.done_raws[i], {},
                                {},       finished[i]->many,  attempts_of(delivery)};
        settle_one(finished[i], troubled, delivery.reply_to, batch.done.verdicts[i], outgoing);
    }
    std::deque<Waiting> turns;
    for (std::size_t i = 0; i < batch.members.size(); ++i) {
        auto& member = batch.members[i];
        if (std::holds_alternative<Again>(result.verdicts[i])) {
            again.add();
            turns.push_back({batch.hands[i], std::move(member)});
            continue;
        }
        const auto& envelope = member.event.envelope;
        const auto& delivery = batch.hands[i]->delivery;
        const auto body = batch.hands[i]->many ? member.raw : std::string_view(delivery.body);
        const Troubled troubled{delivery,       body, envelope.type, envelope.id.str(), batch.hands[i]->many,
                                member.attempts};
        settle_one(batch.hands[i], troubled, member.reply_to, result.verdicts[i], outgoing);
        finished.push_back(std::move(batch.hands[i]));
    }
    {
        const std::lock_guard lock(mutex);
        ++in_flight;
        for (auto& turn : turns) waiting.push_back(std::move(turn));
    }
    context.publisher.publish(std::move(outgoing),
                              [this, finished = std::move(finished)] { confirmed(finished); });
}

void Lane::State::settle_one(const std::shared_ptr<InHand>& hand, const Troubled& troubled,
                             const std::string& reply_to, const Verdict& verdict,
                             std::vector<amqp::Outgoing>& outgoing) {
    const auto park = [&](const std::string& reason, const std::string& detail) {
        parked.add();
        metrics::counter("cartwright_parked_total", "Messages parked, by reason",
                         {{"lane", settings.name}, {"reason", reason}})
            .add();
        log::warn("parked",
                  {{"lane", settings.name}, {"id", troubled.id}, {"reason", reason}, {"detail", detail}});
        outgoing.push_back(worker::parked(context.worker, troubled, reason, detail));
        if (!settings.answers || reply_to.empty()) return;
        const message::Envelope envelope{EventId(crypto::random_id()),
                                         std::string(message::type::message_parked),
                                         "cartwright/" + context.worker,
                                         now(),
                                         {}};
        auto event = codec::encode_event(envelope, message::MessageParked{reason, detail});
        auto reply =
            answer(reply_to, hand->delivery.correlation_id, message::type::message_parked, std::move(event));
        if (reply) outgoing.push_back(std::move(*reply));
    };
    if (std::holds_alternative<Done>(verdict)) {
        done.add();
    } else if (const auto* to_park = std::get_if<Park>(&verdict)) {
        park(to_park->reason, to_park->detail);
    } else if (const auto* wait_for = std::get_if<Later>(&verdict)) {
        if (settings.ladder_ends &&
            troubled.attempts >= static_cast<std::int64_t>(context.ladder.attempts_max)) {
            return park("retries_exhausted", wait_for->detail);
        }
        later.add();
        log::info("later", {{"lane", settings.name}, {"id", troubled.id}, {"detail", wait_for->detail}});
        outgoing.push_back(for_ladder(context.worker, context.ladder, troubled, wait_for->detail));
    }
}

/// The publisher's thread: the broker has all that these events caused.
void Lane::State::confirmed(const std::vector<std::shared_ptr<InHand>>& finished) {
    std::vector<amqp::AckToken> tokens;
    const auto time = Clock::now();
    for (const auto& hand : finished) {
        if (--hand->open > 0) continue;
        tokens.push_back(hand->delivery.token);
        handling_seconds.observe(std::chrono::duration<double>(time - hand->received_at).count());
    }
    context.acknowledge(tokens);
    const std::lock_guard lock(mutex);
    --in_flight;
    changed.notify_all();
}

Lane::Lane(LaneSettings settings, LaneContext context, std::unique_ptr<Handler> handler)
    : state_(std::make_unique<State>(std::move(settings), std::move(context), std::move(handler))) {}

Lane::~Lane() {
    finish(Clock::now());
    if (state_->thread.joinable()) state_->thread.join();
}

const LaneSettings& Lane::settings() const {
    return state_->settings;
}

void Lane::start() {
    CARTWRIGHT_ASSERT(!state_->thread.joinable());
    state_->thread = std::thread([this] { state_->run(); });
}

void Lane::deliver(amqp::Delivery&& delivery) {
    auto hand = std::make_shared<InHand>();
    hand->delivery = std::move(delivery);
    const std::lock_guard lock(state_->mutex);
    state_->waiting.push_back({std::move(hand), std::nullopt});
    // Who waits for room is woken by that: a wake-up for each delivery would cost more than its delivery.
    const auto waiting = state_->waiting.size();
    const bool awaited = waiting == 1 || waiting == state_->settings.members_max;
    if (awaited && state_->in_flight < state_->in_flight_max()) state_->changed.notify_all();
}

void Lane::forget(std::size_t subscription) {
    const std::lock_guard lock(state_->mutex);
    std::erase_if(state_->waiting,
                  [&](const Waiting& one) { return one.hand->delivery.token.subscription == subscription; });
}

bool Lane::finish(Clock::time_point deadline) {
    if (!state_->thread.joinable()) return true;
    {
        std::unique_lock lock(state_->mutex);
        state_->draining = true;
        state_->deadline = deadline;
        state_->changed.notify_all();
        state_->changed.wait_until(lock, deadline, [&] { return state_->ended; });
        state_->stopping = true;
        state_->changed.notify_all();
        state_->changed.wait_for(lock, leaving_time, [&] { return state_->ended; });
        if (!state_->ended) return false;
    }
    state_->thread.join();
    const std::lock_guard lock(state_->mutex);
    return state_->waiting.empty() && state_->in_flight == 0;
}

bool Lane::ended() const {
    const std::lock_guard lock(state_->mutex);
    return state_->ended || !state_->thread.joinable();
}

std::chrono::milliseconds Lane::busy_for() const {
    const auto since = state_->busy_since.load();
    if (since == 0) return std::chrono::milliseconds{0};
    const auto begun = Clock::time_point(Clock::duration(since));
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
}

std::string Lane::trouble() const {
    const std::lock_guard lock(state_->mutex);
    return state_->trouble;
}

}  // namespace cartwright::worker
