#include "common/amqp/control.hpp"

#include <array>
#include <chrono>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/amqp/connection.hpp"
#include "common/amqp/io_thread.hpp"
#include "common/amqp/topology.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::amqp {
namespace {

using Clock = std::chrono::steady_clock;

// A question about something that is not there costs its channel, so what is got and not acknowledged has its
// own.
constexpr ChannelNumber getting = 1, asking = 2, publishing = 3;
constexpr std::chrono::milliseconds farewell_time{2'000};
constexpr int not_found = 404;

/// Nobody serves heartbeats between two calls; keepalives and the time-outs of the calls stand in.
ConnectionSettings without_heartbeat(ConnectionSettings settings) {
    settings.heartbeat = std::chrono::seconds(0);
    return settings;
}

}  // namespace

struct Control::State {
    ConnectionSettings settings;
    Connection connection;
    Waker waker;
    std::array<bool, 4> channel_open{};
    std::uint64_t generation = 1;
    std::set<std::uint64_t> outstanding;  ///< tags that were got and are not acknowledged
    Assembler got, returned;
    std::optional<Arrival> arrived;
    std::optional<std::string> refusal;  ///< of the message being published
    bool answered = false;

    explicit State(ConnectionSettings wanted)
        : settings(without_heartbeat(std::move(wanted))), connection(settings) {}

    bool ensure_connected();
    void ensure_channel(ChannelNumber channel);
    void channel_gone(ChannelNumber channel);
    void handle(const amqp_frame_t& frame);
    void handle_method(ChannelNumber channel, const amqp_method_t& method);
    void read_until(const std::function<bool()>& done, const char* doing);
    void forget_connection();
    std::optional<Delivery> get(const std::string& queue);
    template <class Ask>
    auto ask(ChannelNumber channel, Ask&& question);
};

/// True when it was connected before.
bool Control::State::ensure_connected() {
    if (connection.is_open()) {
        try {
            connection.read([this](const amqp_frame_t& frame) { handle(frame); });
            return true;
        } catch (const outcome::Unavailable&) {
            // It was lost while nobody looked: the call about to be made has done nothing yet.
        }
    }
    forget_connection();
    connection.open();
    return false;
}

void Control::State::forget_connection() {
    channel_open = {};
    ++generation;
    outstanding.clear();
    got.reset();
    returned.reset();
}

void Control::State::ensure_channel(ChannelNumber channel) {
    if (channel_open[channel]) return;
    connection.open_and_wait(channel);
    if (channel == publishing) connection.select_confirms(channel);
    channel_open[channel] = true;
}

void Control::State::channel_gone(ChannelNumber channel) {
    channel_open[channel] = false;
    if (channel == getting) {
        ++generation;
        outstanding.clear();
        got.reset();
    }
    if (channel == publishing) returned.reset();
}

/// Asks once more where the connection turned out to be lost: questions change nothing.
template <class Ask>
auto Control::State::ask(ChannelNumber channel, Ask&& question) {
    const auto once = [&] {
        ensure_channel(channel);
        try {
            return question();
        } catch (const ChannelClosed&) {
            channel_gone(channel);
            throw;
        }
    };
    const bool was_connected = ensure_connected();
    try {
        return once();
    } catch (const outcome::Unavailable&) {
        if (!was_connected) throw;
        forget_connection();
        connection.open();
        return once();
    }
}

void Control::State::handle(const amqp_frame_t& frame) {
    auto& assembler = frame.channel == publishing ? returned : got;
    if (assembler.feed(frame)) {
        auto arrival = assembler.take();
        if (!arrival) return;
        if (arrival->kind == Arrival::Kind::returned) {
            refusal = fmt::format("returned: {}", arrival->why);
        } else {
            arrived = std::move(arrival);
        }
    } else if (frame.frame_type == AMQP_FRAME_METHOD) {
        handle_method(frame.channel, frame.payload.method);
    }
}

void Control::State::handle_method(ChannelNumber channel, const amqp_method_t& method) {
    if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
        if (channel == publishing) {
            refusal = text_of(static_cast<const amqp_channel_close_t*>(method.decoded)->reply_text);
            answered = true;
        }
        connection.confirm_closed(channel);
        connection.flush();
        if (channel < channel_open.size()) channel_gone(channel);
    } else if (channel == publishing && method.id == AMQP_BASIC_ACK_METHOD) {
        answered = true;
    } else if (channel == publishing && method.id == AMQP_BASIC_NACK_METHOD) {
        answered = true;
        refusal = "refused (a queue is full or without a leader)";
    }
}

void Control::State::read_until(const std::function<bool()>& done, const char* doing) {
    const auto deadline = Clock::now() + settings.rpc_timeout;
    while (!done()) {
        const auto left = deadline - Clock::now();
        if (left <= Clock::duration::zero()) {
            connection.drop();
            throw outcome::Unavailable(fmt::format("broker {}: no answer in {} ms while {}",
                                                   connection.endpoint(), settings.rpc_timeout.count(),
                                                   doing));
        }
        if (!connection.frames_pending() && !waker.wait(connection.socket(), false, left).readable) continue;
        connection.read([this](const amqp_frame_t& frame) { handle(frame); });
    }
}

std::optional<Delivery> Control::State::get(const std::string& queue) {
    arrived.reset();
    if (!connection.begin_get(getting, queue, got)) return std::nullopt;
    const auto opening = generation;
    read_until([&] { return arrived.has_value() || generation != opening; }, "getting a message");
    if (!arrived) throw outcome::Unavailable("the broker closed the channel while a message was being got");
    auto delivery = std::move(arrived->delivery);
    delivery.token.generation = generation;
    delivery.queue = queue;
    outstanding.insert(delivery.token.tag);
    return delivery;
}

Control::Control(ConnectionSettings settings) : state_(std::make_unique<State>(std::move(settings))) {}

Control::~Control() {
    close();
}

bool Control::exchange_exists(const std::string& exchange) {
    try {
        state_->ask(asking, [&] {
            state_->connection.find_exchange(asking, exchange);
            return true;
        });
        return true;
    } catch (const ChannelClosed& closed) {
        if (closed.code == not_found) return false;
        throw outcome::Refused(closed.what());
    }
}

std::optional<std::uint64_t> Control::queue_depth(const std::string& queue) {
    try {
        return state_->ask(asking, [&] { return state_->connection.find_queue(asking, queue); });
    } catch (const ChannelClosed& closed) {
        if (closed.code == not_found) return std::nullopt;
        throw outcome::Refused(closed.what());
    }
}

void Control::declare_seller_queue(const std::string& queue) {
    try {
        state_->ask(asking, [&] {
            state_->connection.declare_quorum_queue(asking, queue, seller_delivery_limit);
            state_->connection.bind_and_wait(asking, queue, "sellers", queue);
            return true;
        });
    } catch (const ChannelClosed& closed) {
        throw outcome::Refused(closed.what());
    }
}

std::optional<Delivery> Control::get(const std::string& queue) {
    try {
        return state_->ask(getting, [&] { return state_->get(queue); });
    } catch (const ChannelClosed& closed) {
        throw outcome::Refused(closed.what());
    }
}

void Control::acknowledge(const AckToken& token) {
    if (token.generation != state_->generation || state_->outstanding.erase(token.tag) == 0) return;
    state_->connection.acknowledge(getting, token.tag);
    state_->connection.flush();
}

std::optional<std::string> Control::publish(const Outgoing& message) {
    if (const auto why = unencodable(message)) return why;
    auto& state = *state_;
    state.ensure_connected();
    try {
        state.ensure_channel(publishing);
    } catch (const ChannelClosed& closed) {
        return closed.what();
    }
    if (const auto& why = state.connection.blocked())
        throw outcome::Unavailable("the broker blocks publishers: " + *why);
    state.refusal.reset();
    state.answered = false;
    state.connection.publish(publishing, message);
    state.connection.flush();
    state.read_until([&] { return state.answered; }, "waiting for a confirm");
    return state.refusal;
}

void Control::close() {
    state_->connection.close(farewell_time);
    state_->forget_connection();
}

}  // namespace cartwright::amqp
