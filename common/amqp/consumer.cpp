#include "common/amqp/consumer.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/amqp/connection.hpp"
#include "common/amqp/io_thread.hpp"
#include "common/amqp/subscription_channel.hpp"
#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"
#include "common/watchdog/thread.hpp"

namespace cartwright::amqp {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How long each farewell waits for its answer.
constexpr milliseconds farewell_time{2'000};
constexpr milliseconds gauges_interval{1'000};
/// A quorum queue's side of the channel holds back the acks of a burst until its first ones are applied, and
/// forgets them when the channel closes: what was acknowledged just then would come again.
constexpr milliseconds settle_time{200};

}  // namespace

struct Consumer::State {
    ConnectionSettings settings;
    Statistics statistics;
    Connection connection;
    std::vector<std::unique_ptr<SubscriptionChannel>> channels;
    std::vector<Assembler> assemblers;
    Waker waker;
    std::thread thread;

    mutable std::mutex mutex;
    std::condition_variable intake_stopped;
    std::vector<AckToken> acks;
    bool stop_wanted = false;
    bool stopped = false;
    bool close_wanted = false;
    std::string trouble = "not started";

    std::mutex gate;  ///< held while something is delivered
    bool intake_over = false;

    std::atomic<bool> consuming = false;
    bool established = false;
    bool left_unread = false;  ///< something was read from the socket and is not handed over, or may be
    Clock::time_point gauges_due, read_at, acked_at;

    State(ConnectionSettings wanted, std::vector<Subscription> subscriptions);
    void run();
    void serve();
    void leave();
    void pause(milliseconds time);
    bool take_orders();
    bool stop_was_wanted() const;
    void wait_and_read(Clock::time_point until);
    bool holds_enough() const;
    void handle(const amqp_frame_t& frame);
    void handle_method(SubscriptionChannel& channel, const amqp_method_t& method, Assembler& assembler);
    void deliver(SubscriptionChannel& channel, Arrival arrival);
    void lost(const std::string& why);
    void show();
    void update_gauges(Clock::time_point now);
    bool set_trouble(const std::string& why);
};

Consumer::State::State(ConnectionSettings wanted, std::vector<Subscription> subscriptions)
    : settings(wanted), connection(std::move(wanted)), assemblers(subscriptions.size()) {
    for (auto& subscription : subscriptions)
        channels.push_back(std::make_unique<SubscriptionChannel>(channels.size(), std::move(subscription),
                                                                 settings, connection, statistics));
}

void Consumer::State::run() {
    Backoff backoff(settings.reconnect_delay_min, settings.reconnect_delay_max);
    while (!take_orders()) {
        const auto begun_at = Clock::now();
        try {
            if (stop_was_wanted()) {
                pause(gauges_interval);
                continue;
            }
            connection.open();
            ++statistics.connections;
            established = true;
            log::info("consumer_connected",
                      {{"connection", settings.name}, {"broker", connection.endpoint()}});
            for (auto& channel : channels) channel->connection_opened();
            serve();
            return;
        } catch (const outcome::Unavailable& unavailable) {
            lost(unavailable.what());
        }
        if (Clock::now() - begun_at > 2 * settings.reconnect_delay_max) backoff.reset();
        pause(backoff.next());
    }
}

void Consumer::State::serve() {
    for (;;) {
        const bool close_now = take_orders();
        const auto now = Clock::now();
        for (auto& channel : channels) channel->tick(now);
        connection.flush();
        show();
        if (now >= gauges_due) update_gauges(now);
        if (close_now && now >= acked_at + settle_time) return leave();
        wait_and_read(close_now ? acked_at + settle_time : Clock::time_point::max());
    }
}

/// Closing the channels first makes sure that the broker has seen the acks.
void Consumer::State::leave() {
    for (auto& channel : channels)
        if (channel->has_channel()) connection.close_and_wait(channel->number(), farewell_time);
    connection.close(farewell_time);
    for (auto& channel : channels) channel->connection_lost();
    consuming = false;
}

void Consumer::State::pause(milliseconds time) {
    const auto end = Clock::now() + time;
    while (!take_orders()) {
        show();
        const auto left = end - Clock::now();
        if (left <= Clock::duration::zero()) return;
        waker.wait(-1, false, left);
    }
}

/// Acks and the wish to stop; true when the connection is to be closed.
bool Consumer::State::take_orders() {
    std::vector<AckToken> tokens;
    bool stop = false, close = false;
    {
        const std::lock_guard lock(mutex);
        tokens.swap(acks);
        stop = stop_wanted;
        close = close_wanted;
    }
    if (stop || close)
        for (auto& channel : channels) channel->stop();
    if (!tokens.empty()) acked_at = Clock::now();
    std::vector<std::vector<AckToken>> by_channel(tokens.empty() ? 0 : channels.size());
    for (const auto& token : tokens) by_channel.at(token.subscription).push_back(token);
    for (std::size_t index = 0; index < by_channel.size(); ++index) {
        if (!by_channel[index].empty()) channels[index]->acknowledge(by_channel[index]);
    }
    return close;
}

bool Consumer::State::stop_was_wanted() const {
    const std::lock_guard lock(mutex);
    return stop_wanted;
}

void Consumer::State::wait_and_read(Clock::time_point until) {
    const auto now = Clock::now();
    const auto beat_at = read_at + connection.beat();
    until = std::min(until, beat_at);
    for (const auto& channel : channels)
        if (const auto due = channel->next_due()) until = std::min(until, *due);
    if (holds_enough()) {
        // The broker's messages wait in the socket until some of ours are acknowledged.
        waker.wait(-1, false, until - now);
        if (Clock::now() < beat_at) return;
        read_at = Clock::now();
        left_unread = true;
        return connection.stay_alive();
    }
    bool readable = connection.frames_pending() || std::exchange(left_unread, false);
    if (!readable) readable = waker.wait(connection.socket(), false, until - now).readable;
    if (!readable && Clock::now() < beat_at) return;
    read_at = Clock::now();
    connection.read([this](const amqp_frame_t& frame) { handle(frame); },
                    [this] { return left_unread = holds_enough(); });
}

bool Consumer::State::holds_enough() const {
    std::size_t bytes = 0;
    for (const auto& channel : channels) bytes += channel->unacknowledged_bytes();
    return bytes >= settings.intake_bytes_max;
}

void Consumer::State::handle(const amqp_frame_t& frame) {
    const std::size_t index = frame.channel - std::size_t{1};
    if (index >= channels.size()) return;
    auto& assembler = assemblers[index];
    if (assembler.feed(frame)) {
        if (auto arrival = assembler.take()) deliver(*channels[index], std::move(*arrival));
    } else if (frame.frame_type == AMQP_FRAME_METHOD) {
        handle_method(*channels[index], frame.payload.method, assembler);
    }
}

void Consumer::State::handle_method(SubscriptionChannel& channel, const amqp_method_t& method,
                                    Assembler& assembler) {
    const auto now = Clock::now();
    switch (method.id) {
        case AMQP_CHANNEL_OPEN_OK_METHOD:
            return channel.opened();
        case AMQP_QUEUE_DECLARE_OK_METHOD:
            return channel.queue_declared(
                text_of(static_cast<const amqp_queue_declare_ok_t*>(method.decoded)->queue));
        case AMQP_QUEUE_BIND_OK_METHOD:
            return channel.bound();
        case AMQP_BASIC_QOS_OK_METHOD:
            return channel.prefetch_set();
        case AMQP_BASIC_CONSUME_OK_METHOD:
            return channel.consumer_started(
                text_of(static_cast<const amqp_basic_consume_ok_t*>(method.decoded)->consumer_tag));
        case AMQP_BASIC_CANCEL_OK_METHOD:
            return channel.consumer_cancelled(
                text_of(static_cast<const amqp_basic_cancel_ok_t*>(method.decoded)->consumer_tag));
        case AMQP_BASIC_CANCEL_METHOD:
            return channel.cancelled_by_broker(
                text_of(static_cast<const amqp_basic_cancel_t*>(method.decoded)->consumer_tag), now);
        case AMQP_CHANNEL_CLOSE_METHOD: {
            const auto& close = *static_cast<const amqp_channel_close_t*>(method.decoded);
            assembler.reset();
            return channel.closed_by_broker(text_of(close.reply_text), now);
        }
        case AMQP_CHANNEL_CLOSE_OK_METHOD:
            assembler.reset();
            return channel.closed(now);
        default:
            log::warn("unexpected_method",
                      {{"connection", settings.name}, {"method", amqp_method_name(method.id)}});
    }
}

void Consumer::State::deliver(SubscriptionChannel& channel, Arrival arrival) {
    if (!channel.delivered(arrival.delivery, Clock::now())) return;
    const std::lock_guard lock(gate);
    if (!intake_over) channel.subscription().deliver(std::move(arrival.delivery));
}

void Consumer::State::lost(const std::string& why) {
    for (auto& channel : channels) channel->connection_lost();
    for (auto& assembler : assemblers) assembler.reset();
    consuming = false;
    if (connection.stalled()) ++statistics.stalls;
    if (std::exchange(established, false)) ++statistics.reconnects;
    if (set_trouble(why)) log::warn("consumer_not_connected", {{"connection", settings.name}, {"why", why}});
    update_gauges(Clock::now());
}

/// Leaves for other threads to see how things are.
void Consumer::State::show() {
    const bool all =
        std::all_of(channels.begin(), channels.end(), [](const auto& one) { return one->consuming(); });
    if (!(all && consuming) && connection.is_open()) {
        const auto idle = std::find_if(channels.begin(), channels.end(),
                                       [](const auto& one) { return !one->trouble().empty(); });
        set_trouble(idle == channels.end() ? std::string() : (*idle)->trouble());
    }
    if (all && !consuming)
        log::info("consuming", {{"connection", settings.name}, {"queues", channels.size()}});
    consuming = all;
    if (!std::all_of(channels.begin(), channels.end(), [](const auto& one) { return one->stopped(); }))
        return;
    const std::lock_guard lock(mutex);
    if (std::exchange(stopped, true)) return;
    intake_stopped.notify_all();
}

void Consumer::State::update_gauges(Clock::time_point now) {
    gauges_due = now + gauges_interval;
    std::size_t unacknowledged = 0;
    auto oldest = now;
    for (const auto& channel : channels) {
        unacknowledged += channel->unacknowledged();
        oldest = std::min(oldest, channel->oldest_unacknowledged().value_or(now));
    }
    statistics.unacknowledged = static_cast<std::int64_t>(unacknowledged);
    statistics.unacknowledged_age_ms = std::chrono::duration_cast<milliseconds>(now - oldest).count();
}

/// True when that is new.
bool Consumer::State::set_trouble(const std::string& why) {
    const std::lock_guard lock(mutex);
    return std::exchange(trouble, why) != why;
}

Consumer::Consumer(ConnectionSettings settings, std::vector<Subscription> subscriptions)
    : state_(std::make_unique<State>(std::move(settings), std::move(subscriptions))) {}

Consumer::~Consumer() {
    close();
}

void Consumer::start() {
    CARTWRIGHT_ASSERT(!state_->thread.joinable());
    state_->thread = watchdog::start_thread("amqp-consumer", [this] { state_->run(); });
}

void Consumer::acknowledge(std::span<const AckToken> tokens) {
    if (tokens.empty()) return;
    {
        const std::lock_guard lock(state_->mutex);
        if (state_->close_wanted) return;
        state_->acks.insert(state_->acks.end(), tokens.begin(), tokens.end());
    }
    state_->waker.wake();
}

void Consumer::stop_intake(milliseconds deadline) {
    std::unique_lock lock(state_->mutex);
    state_->stop_wanted = true;
    state_->waker.wake();
    if (state_->thread.joinable())
        state_->intake_stopped.wait_for(lock, deadline, [this] { return state_->stopped; });
    lock.unlock();
    const std::lock_guard delivering(state_->gate);
    state_->intake_over = true;
}

void Consumer::close() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->close_wanted = true;
    }
    state_->connection.hurry(farewell_time);
    state_->waker.wake();
    if (state_->thread.joinable()) state_->thread.join();
}

bool Consumer::consuming() const {
    return state_->consuming;
}

std::string Consumer::trouble() const {
    const std::lock_guard lock(state_->mutex);
    return state_->trouble;
}

const Statistics& Consumer::statistics() const {
    return state_->statistics;
}

}  // namespace cartwright::amqp
