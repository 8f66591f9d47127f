#include "common/amqp/publisher.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/amqp/backoff.hpp"
#include "common/amqp/connection.hpp"
#include "common/amqp/io_thread.hpp"
#include "common/amqp/outbox.hpp"
#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"
#include "common/watchdog/thread.hpp"

namespace cartwright::amqp {
namespace {

using std::chrono::milliseconds;

constexpr ChannelNumber channel = 1;
constexpr milliseconds farewell_time{2'000};
/// So much may be written between two looks at whether the socket takes more: less than any socket's buffer
/// holds.
constexpr std::size_t unchecked_bytes_max = 16 * 1024;
/// Without a confirm for so long, that is worth telling.
constexpr std::int64_t unconfirmed_age_ms_normal = 5'000;

/// One call of publish or of publish_in_order.
struct Order {
    std::vector<Outgoing> messages;
    std::function<void()> on_confirmed;
    std::shared_ptr<OrderedRun> run;
};

void require_encodable(const Outgoing& message) {
    if (const auto why = unencodable(message)) throw outcome::Refused("cannot be published: " + *why);
}

Outgoing as_published(Delivery&& delivery) {
    Outgoing message;
    message.exchange = std::move(delivery.exchange);
    message.routing_key = std::move(delivery.routing_key);
    message.body = std::move(delivery.body);
    message.content_type = std::move(delivery.content_type);
    message.content_encoding = std::move(delivery.content_encoding);
    message.message_id = std::move(delivery.message_id);
    message.type = std::move(delivery.type);
    message.reply_to = std::move(delivery.reply_to);
    message.correlation_id = std::move(delivery.correlation_id);
    message.headers = std::move(delivery.headers);
    return message;
}

}  // namespace

struct Publisher::State {
    ConnectionSettings settings;
    PublisherLimits limits;
    Statistics statistics;
    Connection connection;
    Outbox outbox;
    Assembler assembler;
    Waker waker;
    std::thread thread;

    mutable std::mutex mutex;
    std::condition_variable changed;  ///< nothing is under way any more, or the broker is reached
    std::vector<Order> orders;
    bool busy = false;  ///< something was taken from `orders` and is not settled
    bool close_wanted = false;
    std::string trouble = "not started";

    std::atomic<bool> connected = false, blocked = false;
    std::string connection_trouble = "not connected";  ///< of the I/O thread, as everything below
    bool established = false;
    std::optional<std::string>
        channel_trouble;   ///< why the broker closed the channel; it is to be opened again
    bool starved = false;  ///< there is something to write and the socket takes nothing
    Clock::time_point starved_since, read_at, expire_due, looked_at;

    State(ConnectionSettings wanted, PublisherLimits wanted_limits);
    void run();
    void connect();
    void open_channel();
    void serve();
    void pause(milliseconds time);
    bool keep_house();
    bool take_orders(Clock::time_point now);
    void show(Clock::time_point now);
    void send();
    bool takes_bytes();
    void wait_and_read();
    void handle(const amqp_frame_t& frame);
    void lost(const std::string& why);
    void leave();
    void place(Order order);
};

Publisher::State::State(ConnectionSettings wanted, PublisherLimits wanted_limits)
    : settings(wanted),
      limits(wanted_limits),
      connection(std::move(wanted)),
      outbox(wanted_limits, statistics) {}

void Publisher::State::run() {
    Backoff backoff(settings.reconnect_delay_min, settings.reconnect_delay_max);
    while (!keep_house()) {
        const auto begun_at = Clock::now();
        try {
            connect();
            serve();
            break;
        } catch (const outcome::Unavailable& unavailable) {
            lost(unavailable.what());
        } catch (const ChannelClosed& closed) {
            lost(closed.what());
        }
        if (Clock::now() - begun_at > 2 * settings.reconnect_delay_max) backoff.reset();
        pause(backoff.next());
    }
    leave();
}

void Publisher::State::connect() {
    connection.open();
    ++statistics.connections;
    established = true;
    open_channel();
    connection_trouble.clear();
    log::info("publisher_connected", {{"connection", settings.name}, {"broker", connection.endpoint()}});
}

void Publisher::State::open_channel() {
    assembler.reset();
    connection.open_and_wait(channel);
    connection.select_confirms(channel);
    outbox.channel_opened(Clock::now());
    const std::lock_guard lock(mutex);
    connected = true;
    changed.notify_all();
}

void Publisher::State::serve() {
    while (!keep_house()) {
        if (channel_trouble) {
            ++statistics.channels_reopened;
            channel_trouble.reset();
            open_channel();
        }
        send();
        connection.flush();
        wait_and_read();
    }
}

void Publisher::State::pause(milliseconds time) {
    const auto end = Clock::now() + time;
    while (!keep_house()) {
        const auto left = std::min(end, expire_due) - Clock::now();
        if (Clock::now() >= end) return;
        waker.wait(-1, false, left);
    }
}

/// What is to be done with and without a connection; true when it is to be closed.
bool Publisher::State::keep_house() {
    const auto now = Clock::now();
    const bool close_now = take_orders(now);
    if (now >= expire_due) {
        outbox.expire(now);
        outbox.update_gauges(now);
        expire_due = now + std::clamp(limits.best_effort_timeout / 4, milliseconds(5), milliseconds(1'000));
    }
    for (const auto& callback : outbox.take_callbacks()) callback();
    show(now);
    return close_now;
}

bool Publisher::State::take_orders(Clock::time_point now) {
    std::vector<Order> taken;
    bool close_now = false;
    {
        const std::lock_guard lock(mutex);
        taken.swap(orders);
        close_now = close_wanted;
        if (!taken.empty()) busy = true;
    }
    for (auto& order : taken) {
        if (order.run) {
            outbox.add(order.run, std::move(order.messages), now);
        } else {
            outbox.add(std::move(order.messages), std::move(order.on_confirmed), now);
        }
    }
    return close_now;
}

/// Leaves for other threads to see how things are.
void Publisher::State::show(Clock::time_point now) {
    const auto& block = connection.blocked();
    if (blocked)
        statistics.blocked_ms +=
            static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(now - looked_at).count());
    if (block.has_value() != blocked)
        log::warn(block ? "publisher_blocked" : "publisher_unblocked",
                  {{"connection", settings.name}, {"why", block.value_or("")}});
    blocked = block.has_value();
    looked_at = now;
    std::string why = connection_trouble;
    if (why.empty() && block) why = "the broker blocks publishers: " + *block;
    if (why.empty()) why = outbox.trouble();
    if (why.empty() && statistics.unconfirmed_age_ms > unconfirmed_age_ms_normal)
        why = fmt::format("no confirm for {} s", statistics.unconfirmed_age_ms / 1'000);
    const bool nothing_left = outbox.outstanding() == 0;
    const std::lock_guard lock(mutex);
    if (trouble != why) trouble = why;
    if (busy && nothing_left) {
        busy = false;
        changed.notify_all();
    }
}

void Publisher::State::send() {
    const auto now = Clock::now();
    std::size_t unchecked_bytes = unchecked_bytes_max;
    while (!connection.blocked()) {
        if (unchecked_bytes >= unchecked_bytes_max) {
            if (!takes_bytes()) return;
            unchecked_bytes = 0;
        }
        const auto* message = outbox.start_next(now);
        if (message == nullptr) return;
        unchecked_bytes += Letter::overhead + message->body.size();
        connection.publish(channel, *message);
    }
    starved = false;
}

/// Writing into a full socket would block this thread, and with it the reading of what the broker says
/// meanwhile.
bool Publisher::State::takes_bytes() {
    const auto now = Clock::now();
    const bool writable = connection.writable();
    if (!writable && !starved) starved_since = now;
    starved = !writable;
    if (starved && now - starved_since > settings.stall_timeout)
        throw outcome::Unavailable(fmt::format("broker {}: took no bytes for {} ms", connection.endpoint(),
                                               settings.stall_timeout.count()));
    return writable;
}

void Publisher::State::wait_and_read() {
    const auto now = Clock::now();
    const auto beat_at = read_at + connection.beat();
    auto until = beat_at;
    if (outbox.outstanding() > 0) until = std::min(until, expire_due);
    if (const auto due = outbox.next_due(now); due && !starved && !blocked) until = std::min(until, *due);
    bool readable = connection.frames_pending();
    if (!readable) readable = waker.wait(connection.socket(), starved, until - now).readable;
    if (!readable && Clock::now() < beat_at) return;
    read_at = Clock::now();
    connection.read([this](const amqp_frame_t& frame) { handle(frame); });
}

void Publisher::State::handle(const amqp_frame_t& frame) {
    if (frame.channel != channel) return;
    if (assembler.feed(frame)) {
        if (auto arrival = assembler.take(); arrival && arrival->kind == Arrival::Kind::returned)
            outbox.returned(as_published(std::move(arrival->delivery)), arrival->why);
        return;
    }
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    const auto& method = frame.payload.method;
    if (method.id == AMQP_BASIC_ACK_METHOD) {
        const auto& ack = *static_cast<const amqp_basic_ack_t*>(method.decoded);
        outbox.answered(ack.delivery_tag, ack.multiple != 0, Confirm::accepted, read_at);
    } else if (method.id == AMQP_BASIC_NACK_METHOD) {
        const auto& nack = *static_cast<const amqp_basic_nack_t*>(method.decoded);
        outbox.answered(nack.delivery_tag, nack.multiple != 0, Confirm::refused, read_at);
    } else if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
        channel_trouble = text_of(static_cast<const amqp_channel_close_t*>(method.decoded)->reply_text);
        connected = false;
        log::warn("channel_closed_by_broker", {{"connection", settings.name}, {"why", *channel_trouble}});
        connection.confirm_closed(channel);
        outbox.channel_lost(read_at, *channel_trouble);
    }
}

void Publisher::State::lost(const std::string& why) {
    connected = false;
    connection.drop();
    outbox.connection_lost();
    channel_trouble.reset();
    starved = false;
    if (connection.stalled()) ++statistics.stalls;
    if (std::exchange(established, false)) ++statistics.reconnects;
    if (connection_trouble != why)
        log::warn("publisher_not_connected", {{"connection", settings.name}, {"why", why}});
    connection_trouble = why;
}

void Publisher::State::leave() {
    connected = false;
    outbox.connection_lost();
    connection.close(farewell_time);
    std::vector<Order> left;
    {
        const std::lock_guard lock(mutex);
        left.swap(orders);
    }
    for (auto& order : left)
        if (order.run) outbox.add(order.run, std::move(order.messages), Clock::now());
    if (outbox.outstanding() > 0)
        log::warn("unconfirmed_at_close",
                  {{"connection", settings.name}, {"messages", outbox.outstanding()}});
}

void Publisher::State::place(Order order) {
    {
        const std::lock_guard lock(mutex);
        if (close_wanted) {
            for (std::size_t i = 0; order.run && i < order.messages.size(); ++i)
                order.run->answer(i, Confirm::unsent);
            return;
        }
        orders.push_back(std::move(order));
    }
    waker.wake();
}

Publisher::Publisher(ConnectionSettings settings, PublisherLimits limits)
    : state_(std::make_unique<State>(std::move(settings), limits)) {}

Publisher::~Publisher() {
    close();
}

void Publisher::start() {
    CARTWRIGHT_ASSERT(!state_->thread.joinable());
    state_->thread = watchdog::start_thread("amqp-publisher", [this] { state_->run(); });
}

void Publisher::publish(std::vector<Outgoing> messages, std::function<void()> on_confirmed) {
    for (const auto& message : messages)
        if (message.effort == Effort::confirmed) require_encodable(message);
    const auto lost = std::erase_if(messages, [](const Outgoing& message) {
        return message.effort == Effort::best_effort && unencodable(message).has_value();
    });
    state_->statistics.best_effort_lost += lost;
    state_->place({std::move(messages), std::move(on_confirmed), nullptr});
}

std::vector<Confirm> Publisher::publish_in_order(std::span<const Outgoing> messages, milliseconds deadline) {
    for (const auto& message : messages) require_encodable(message);
    if (messages.empty() || !connected()) return std::vector<Confirm>(messages.size(), Confirm::unsent);
    const auto until = Clock::now() + deadline;
    auto run = std::make_shared<OrderedRun>(messages.size());
    state_->place({{messages.begin(), messages.end()}, nullptr, run});
    return run->wait(until);
}

bool Publisher::drain(milliseconds deadline) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, deadline,
                                    [this] { return state_->orders.empty() && !state_->busy; });
}

void Publisher::close() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->close_wanted = true;
    }
    state_->connection.hurry(farewell_time);
    state_->waker.wake();
    if (state_->thread.joinable()) state_->thread.join();
}

bool Publisher::connected() const {
    return state_->connected;
}

bool Publisher::wait_connected(milliseconds patience) const {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, patience, [this] { return state_->connected.load(); });
}

bool Publisher::blocked() const {
    return state_->blocked;
}

std::string Publisher::trouble() const {
    const std::lock_guard lock(state_->mutex);
    return state_->trouble;
}

const Statistics& Publisher::statistics() const {
    return state_->statistics;
}

}  // namespace cartwright::amqp
