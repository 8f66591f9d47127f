#include "common/amqp/connection.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/outcome/trouble.hpp"

namespace cartwright::amqp {
namespace {

using std::chrono::milliseconds;

constexpr int frame_bytes_max = 131'072;
constexpr const char* system_ca_file = "/etc/ssl/certs/ca-certificates.crt";

timeval timeval_of(milliseconds time) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
    return {seconds.count(), std::chrono::duration_cast<std::chrono::microseconds>(time - seconds).count()};
}

amqp_table_entry_t flag_entry(std::string_view key) {
    amqp_table_entry_t made{};
    made.key = bytes_of(key);
    made.value.kind = AMQP_FIELD_KIND_BOOLEAN;
    made.value.value.boolean = 1;
    return made;
}

amqp_table_entry_t text_entry(std::string_view key, std::string_view value) {
    amqp_table_entry_t made{};
    made.key = bytes_of(key);
    made.value.kind = AMQP_FIELD_KIND_UTF8;
    made.value.value.bytes = bytes_of(value);
    return made;
}

amqp_table_entry_t table_entry(std::string_view key, const amqp_table_t& value) {
    amqp_table_entry_t made{};
    made.key = bytes_of(key);
    made.value.kind = AMQP_FIELD_KIND_TABLE;
    made.value.value.table = value;
    return made;
}

}  // namespace

Connection::Connection(ConnectionSettings settings)
    : settings_(std::move(settings)), guard_(settings_.stall_timeout) {
    parse_url();
}

Connection::~Connection() {
    drop();
}

void Connection::parse_url() {
    auto url = settings_.url;  // parsed in place
    amqp_connection_info parts{};
    if (amqp_parse_url(url.data(), &parts) != AMQP_STATUS_OK)
        throw outcome::StartupError(
            "the broker's URL cannot be read; it looks like amqp://user:password@host:5672/vhost (amqps:// "
            "for TLS), "
            "with special characters percent-encoded");
    host_ = parts.host;
    port_ = parts.port;
    user_ = parts.user;
    password_ = parts.password;
    vhost_ = *parts.vhost == '\0' ? "/" : parts.vhost;
    tls_ = parts.ssl != 0;
    endpoint_ = fmt::format("{}:{}/{}", host_, port_, vhost_ == "/" ? "" : vhost_);
}

void Connection::open() {
    drop();
    guard_.reset();
    handle_ = amqp_new_connection();
    if (handle_ == nullptr) throw std::bad_alloc();
    open_socket();
    const int descriptor = amqp_get_sockfd(handle_);
    guard_.watch(descriptor);
    set_socket_options(descriptor);
    log_in();
    set_rpc_timeout(settings_.rpc_timeout);
}

void Connection::open_socket() {
    auto* socket = tls_ ? amqp_ssl_socket_new(handle_) : amqp_tcp_socket_new(handle_);
    if (socket == nullptr) fail("no socket");
    if (tls_) {
        const bool own_ca = !settings_.tls_ca_file.empty();
        check(amqp_ssl_socket_set_cacert(socket, own_ca ? settings_.tls_ca_file.c_str() : system_ca_file),
              "reading the CA file");
        if (!settings_.tls_certificate_file.empty())
            check(amqp_ssl_socket_set_key(socket, settings_.tls_certificate_file.c_str(),
                                          settings_.tls_key_file.c_str()),
                  "reading the certificate and its key");
        check(amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST),
              "setting the TLS version");
    }
    const auto timeout = timeval_of(settings_.connect_timeout);
    check(amqp_socket_open_noblock(socket, host_.c_str(), port_, &timeout), "connecting");
}

void Connection::set_socket_options(int socket) const {
    const auto set = [socket](int level, int option, int value) {
        ::setsockopt(socket, level, option, &value, sizeof value);
    };
    const auto heartbeat = std::max<int>(1, static_cast<int>(settings_.heartbeat.count()));
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(settings_.stall_timeout.count()));
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, heartbeat);
    set(IPPROTO_TCP, TCP_KEEPINTVL, heartbeat);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

void Connection::log_in() {
    std::array capabilities{flag_entry("connection.blocked"), flag_entry("consumer_cancel_notify"),
                            flag_entry("basic.nack"), flag_entry("publisher_confirms")};
    const amqp_table_t capability_table{static_cast<int>(capabilities.size()), capabilities.data()};
    std::array properties{text_entry("product", "cartwright"), text_entry("connection_name", settings_.name),
                          table_entry("capabilities", capability_table)};
    const amqp_table_t property_table{static_cast<int>(properties.size()), properties.data()};

    const auto timeout = timeval_of(settings_.connect_timeout);
    amqp_set_handshake_timeout(handle_, &timeout);
    const int heartbeat = static_cast<int>(settings_.heartbeat.count());
    const auto reply = guard_([&] {
        if (settings_.external_authentication)
            return amqp_login_with_properties(handle_, vhost_.c_str(), 0, frame_bytes_max, heartbeat,
                                              &property_table, AMQP_SASL_METHOD_EXTERNAL, user_.c_str());
        return amqp_login_with_properties(handle_, vhost_.c_str(), 0, frame_bytes_max, heartbeat,
                                          &property_table, AMQP_SASL_METHOD_PLAIN, user_.c_str(),
                                          password_.c_str());
    });
    check(reply, "logging in");
}

void Connection::set_rpc_timeout(milliseconds timeout) {
    const auto time = timeval_of(timeout);
    amqp_set_rpc_timeout(handle_, &time);
}

void Connection::drop() noexcept {
    guard_.forget();
    if (handle_ != nullptr) amqp_destroy_connection(handle_);
    handle_ = nullptr;
    corked_ = false;
    blocked_.reset();
}

void Connection::close(milliseconds patience) noexcept {
    // Under connection.blocked the broker reads nothing: it would not answer.
    if (handle_ != nullptr && !blocked_) {
        flush();
        guard_.hurry(patience);
        set_rpc_timeout(patience);
        guard_([&] { return amqp_connection_close(handle_, AMQP_REPLY_SUCCESS); });
        guard_.hurry(settings_.stall_timeout);
    }
    drop();
}

int Connection::socket() const {
    return handle_ == nullptr ? -1 : amqp_get_sockfd(handle_);
}

std::chrono::steady_clock::duration Connection::beat() const {
    constexpr std::chrono::steady_clock::duration longest = std::chrono::seconds(1);
    return settings_.heartbeat.count() == 0 ? longest
                                            : std::min(longest, longest * settings_.heartbeat.count() / 4);
}

bool Connection::frames_pending() const {
    return handle_ != nullptr && (amqp_frames_enqueued(handle_) != 0 || amqp_data_in_buffer(handle_) != 0);
}

void Connection::stay_alive() {
    if (handle_ == nullptr) fail("not connected");
    amqp_frame_t beat{};
    beat.frame_type = AMQP_FRAME_HEARTBEAT;
    check(guard_([&] { return amqp_send_frame(handle_, &beat); }), "writing");
}

void Connection::read(const std::function<void(const amqp_frame_t&)>& handle,
                      const std::function<bool()>& enough) {
    // A TLS layer holds decrypted bytes that neither poll nor the library's buffer shows: there only a
    // time-out says that nothing is left.
    for (bool first = true; first || tls_ || frames_pending(); first = false) {
        amqp_frame_t frame{};
        timeval none{0, 0};
        const int status = guard_([&] { return amqp_simple_wait_frame_noblock(handle_, &frame, &none); });
        if (status == AMQP_STATUS_TIMEOUT) return;
        check(status, "reading");
        if (frame.channel == 0) {
            handle_own(frame);
        } else {
            handle(frame);
        }
        if (handle_ == nullptr) return;
        amqp_maybe_release_buffers(handle_);
        if (enough()) return;
    }
}

void Connection::handle_own(const amqp_frame_t& frame) {
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    const auto& method = frame.payload.method;
    if (method.id == AMQP_CONNECTION_BLOCKED_METHOD) {
        blocked_ = text_of(static_cast<const amqp_connection_blocked_t*>(method.decoded)->reason);
    } else if (method.id == AMQP_CONNECTION_UNBLOCKED_METHOD) {
        blocked_.reset();
    } else if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
        closed_by_broker(*static_cast<const amqp_connection_close_t*>(method.decoded));
    }
}

bool Connection::writable() const {
    pollfd polled{socket(), POLLOUT, 0};
    return ::poll(&polled, 1, 0) > 0;
}

void Connection::cork() {
    if (corked_) return;
    const int on = 1;
    ::setsockopt(socket(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    corked_ = true;
}

void Connection::flush() {
    if (!corked_ || handle_ == nullptr) return;
    const int off = 0;
    ::setsockopt(socket(), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
    corked_ = false;
}

void Connection::send(ChannelNumber channel, amqp_method_number_t method, void* arguments) {
    if (handle_ == nullptr) fail("not connected");
    cork();
    check(guard_([&] { return amqp_send_method(handle_, channel, method, arguments); }), "writing");
}

void Connection::open(ChannelNumber channel) {
    amqp_channel_open_t arguments{};
    send(channel, AMQP_CHANNEL_OPEN_METHOD, &arguments);
}

void Connection::close(ChannelNumber channel) {
    amqp_channel_close_t arguments{};
    arguments.reply_code = AMQP_REPLY_SUCCESS;
    send(channel, AMQP_CHANNEL_CLOSE_METHOD, &arguments);
}

void Connection::confirm_closed(ChannelNumber channel) {
    amqp_channel_close_ok_t arguments{};
    send(channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &arguments);
}

void Connection::declare_own_queue(ChannelNumber channel) {
    amqp_queue_declare_t arguments{};
    arguments.exclusive = 1;
    arguments.auto_delete = 1;
    auto type = text_entry("x-queue-type", "classic");
    arguments.arguments = {1, &type};
    send(channel, AMQP_QUEUE_DECLARE_METHOD, &arguments);
}

void Connection::bind(ChannelNumber channel, const std::string& queue, const std::string& exchange) {
    amqp_queue_bind_t arguments{};
    arguments.queue = bytes_of(queue);
    arguments.exchange = bytes_of(exchange);
    send(channel, AMQP_QUEUE_BIND_METHOD, &arguments);
}

void Connection::set_prefetch(ChannelNumber channel, std::uint16_t prefetch) {
    amqp_basic_qos_t arguments{};
    arguments.prefetch_count = prefetch;
    send(channel, AMQP_BASIC_QOS_METHOD, &arguments);
}

void Connection::consume(ChannelNumber channel, const std::string& queue, const std::string& tag,
                         bool needs_ack) {
    amqp_basic_consume_t arguments{};
    arguments.queue = bytes_of(queue);
    arguments.consumer_tag = bytes_of(tag);
    arguments.no_ack = needs_ack ? 0 : 1;
    send(channel, AMQP_BASIC_CONSUME_METHOD, &arguments);
}

void Connection::cancel(ChannelNumber channel, const std::string& tag) {
    amqp_basic_cancel_t arguments{};
    arguments.consumer_tag = bytes_of(tag);
    send(channel, AMQP_BASIC_CANCEL_METHOD, &arguments);
}

void Connection::acknowledge(ChannelNumber channel, std::uint64_t delivery_tag) {
    amqp_basic_ack_t arguments{};
    arguments.delivery_tag = delivery_tag;
    send(channel, AMQP_BASIC_ACK_METHOD, &arguments);
}

void Connection::acknowledge_up_to(ChannelNumber channel, std::uint64_t delivery_tag) {
    amqp_basic_ack_t arguments{};
    arguments.delivery_tag = delivery_tag;
    arguments.multiple = 1;
    send(channel, AMQP_BASIC_ACK_METHOD, &arguments);
}

void Connection::publish(ChannelNumber channel, const Outgoing& message) {
    if (handle_ == nullptr) fail("not connected");
    cork();
    const Properties properties(message);
    const int status = guard_([&] {
        return amqp_basic_publish(handle_, channel, bytes_of(message.exchange), bytes_of(message.routing_key),
                                  message.mandatory ? 1 : 0, 0, properties.get(), bytes_of(message.body));
    });
    check(status, "writing");
}

}  // namespace cartwright::amqp
