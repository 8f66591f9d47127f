// One connection to the broker: the only code that calls the client library. Included by this module's
// sources only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "common/amqp/channel_commands.hpp"
#include "common/amqp/connection_settings.hpp"
#include "common/amqp/stall_guard.hpp"
#include "common/amqp/wire.hpp"

namespace cartwright::amqp {

/// The broker closed a channel over a question that was asked on it; that was confirmed to the broker
/// already.
struct ChannelClosed : std::runtime_error {
    ChannelClosed(int why, const std::string& text) : std::runtime_error(text), code(why) {}
    int code;  ///< 404 not found, 403 refused, 405 locked, 406 precondition failed
};

/// Belongs to one thread, but for `interrupt` and `hurry`. Whenever a call throws outcome::Unavailable the
/// connection is closed; `open` may be tried again.
class Connection : public ChannelCommands {
  public:
    /// Throws outcome::StartupError when the URL cannot be parsed.
    explicit Connection(ConnectionSettings settings);
    ~Connection() override;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Blocks for at most about twice the connect time-out (name resolution aside).
    void open();
    bool is_open() const { return handle_ != nullptr; }
    /// Takes leave of the broker, for at most about `patience`.
    void close(std::chrono::milliseconds patience) noexcept;
    /// Closes the socket, without a word.
    void drop() noexcept;

    /// Any thread: makes a call that is under way come back with an error.
    void interrupt() { guard_.interrupt(); }
    /// Any thread: calls get only this long from now on.
    void hurry(std::chrono::milliseconds limit) { guard_.hurry(limit); }

    int socket() const;
    /// host:port/vhost, without credentials.
    const std::string& endpoint() const { return endpoint_; }
    /// The broker's reason while connection.blocked is in force.
    const std::optional<std::string>& blocked() const { return blocked_; }
    /// The last connection ended because a call on it did not come back.
    bool stalled() const { return guard_.tripped(); }
    /// `read` is to be called at least this often.
    std::chrono::steady_clock::duration beat() const;

    /// Frames that poll does not know of: they were read together with others.
    bool frames_pending() const;
    /// Hands over every frame that is there, without waiting; those of the connection itself are dealt with.
    /// Also serves the heartbeats: to be called every `beat`. What a frame refers to is gone afterwards. Ends
    /// early when `enough` says so.
    void read(
        const std::function<void(const amqp_frame_t&)>& handle,
        const std::function<bool()>& enough = [] { return false; });
    /// Instead of `read`: a heartbeat to the broker, whose own wait with everything else.
    void stay_alive();
    /// False when a write may block.
    bool writable() const;
    /// Everything written since the last flush goes out in as few packets as possible.
    void flush();

    void open(ChannelNumber channel) override;
    void close(ChannelNumber channel) override;
    void confirm_closed(ChannelNumber channel) override;
    void declare_own_queue(ChannelNumber channel) override;
    void bind(ChannelNumber channel, const std::string& queue, const std::string& exchange) override;
    void set_prefetch(ChannelNumber channel, std::uint16_t prefetch) override;
    void consume(ChannelNumber channel, const std::string& queue, const std::string& tag,
                 bool needs_ack) override;
    void cancel(ChannelNumber channel, const std::string& tag) override;
    void acknowledge(ChannelNumber channel, std::uint64_t delivery_tag) override;
    void acknowledge_up_to(ChannelNumber channel, std::uint64_t delivery_tag) override;

    void publish(ChannelNumber channel, const Outgoing& message);

    // These ask and wait for the answer, at most the RPC time-out; they throw ChannelClosed.
    void open_and_wait(ChannelNumber channel);
    void close_and_wait(ChannelNumber channel, std::chrono::milliseconds patience) noexcept;
    void select_confirms(ChannelNumber channel);
    /// Passive declares.
    void find_exchange(ChannelNumber channel, const std::string& exchange);
    std::uint64_t find_queue(ChannelNumber channel, const std::string& queue);
    /// A durable quorum queue; fine when it is there with the same arguments.
    void declare_quorum_queue(ChannelNumber channel, const std::string& queue, std::int64_t delivery_limit);
    void bind_and_wait(ChannelNumber channel, const std::string& queue, const std::string& exchange,
                       const std::string& routing_key);
    /// basic.get: false when the queue is empty; otherwise the message is begun and the rest of its frames
    /// follow.
    bool begin_get(ChannelNumber channel, const std::string& queue, Assembler& assembler);

  private:
    void parse_url();
    void open_socket();
    void set_socket_options(int socket) const;
    void log_in();
    void set_rpc_timeout(std::chrono::milliseconds timeout);
    void send(ChannelNumber channel, amqp_method_number_t method, void* arguments);
    void cork();
    void handle_own(const amqp_frame_t& frame);
    template <class Call>
    amqp_rpc_reply_t ask(ChannelNumber channel, const char* doing, Call&& call);
    void check(int status, const char* doing);
    void check(const amqp_rpc_reply_t& reply, const char* doing);
    [[noreturn]] void closed_by_broker(const amqp_connection_close_t& close);
    [[noreturn]] void fail(const std::string& why);

    ConnectionSettings settings_;
    std::string host_, user_, password_, vhost_, endpoint_;
    int port_ = 0;
    bool tls_ = false;
    StallGuard guard_;
    amqp_connection_state_t handle_ = nullptr;
    std::optional<std::string> blocked_;
    bool corked_ = false;
};

}  // namespace cartwright::amqp
