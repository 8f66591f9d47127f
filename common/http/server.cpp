#include "common/http/server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <uv.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/http/conversation.hpp"
#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::http {

namespace {

constexpr int backlog = 128;
constexpr std::size_t read_bytes_max = 65'536;

// After its last answer a connection is read for a moment: closing it with unread input would reset it, and
// the client might never see the answer.
constexpr std::chrono::milliseconds linger_limit{2000};

constexpr std::string_view too_many =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

struct Write {
    uv_write_t request{};
    std::string bytes;
};

template <class Handle>
uv_handle_t* as_handle(Handle* handle) {
    return reinterpret_cast<uv_handle_t*>(handle);
}

template <class Handle>
uv_stream_t* as_stream(Handle* handle) {
    return reinterpret_cast<uv_stream_t*>(handle);
}

void must(int code) {
    CARTWRIGHT_ASSERT(code == 0);
}

}  // namespace

struct Connection {
    Connection(Server::State& its_server, const RequestHandler& handler, const ServerLimits& limits)
        : server(its_server), conversation(handler, limits) {}

    void on_read(ssize_t length, const char* bytes);
    void on_written(int status);
    void pump();
    void write(std::string bytes);
    void set_reading(bool wanted);
    void linger();
    void sweep(std::uint64_t now);
    void close();

    Server::State& server;
    Conversation conversation;
    uv_tcp_t handle{};
    uv_shutdown_t shutdown{};
    std::size_t writes = 0;
    std::size_t unsent_bytes = 0;
    std::uint64_t active_at = 0;  // loop time in milliseconds, as all of these
    std::uint64_t exchange_began_at = 0;
    std::uint64_t lingers_since = 0;
    bool reading = false;
    bool ended = false;
    bool lingering = false;
    bool closing = false;
};

struct Server::State {
    State(uv_loop_t* its_loop, RequestHandler its_handler, ServerLimits its_limits)
        : loop(its_loop), handler(std::move(its_handler)), limits(its_limits) {}

    void listen(const std::string& address, int wanted_port);
    void accept();
    void turn_away();
    void start_sweeping();
    void sweep();
    void close();
    void handle_closed();

    uv_loop_t* loop;
    RequestHandler handler;
    ServerLimits limits;
    uv_tcp_t listener{};
    uv_timer_t sweeper{};
    int port = 0;
    std::size_t open_handles = 0;
    bool closing = false;
    std::unordered_set<Connection*> connections;
    std::vector<char> read_buffer = std::vector<char>(read_bytes_max);
};

// ---- one connection

void Connection::on_read(ssize_t length, const char* bytes) {
    if (length == 0 || closing) return;
    active_at = uv_now(server.loop);
    if (length > 0) {
        if (lingering) return;  // read only to be thrown away
        conversation.receive({bytes, static_cast<std::size_t>(length)});
        if (exchange_began_at == 0) exchange_began_at = active_at;
    } else if (length == UV_EOF) {
        ended = true;
        conversation.end_of_input();
    } else {
        close();
        return;
    }
    pump();
}

void Connection::write(std::string bytes) {
    auto* write = new Write{{}, std::move(bytes)};
    write->request.data = write;
    const uv_buf_t buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
    const auto written = [](uv_write_t* request, int status) {
        auto* connection = static_cast<Connection*>(request->handle->data);
        delete static_cast<Write*>(request->data);
        connection->on_written(status);
    };
    ++writes;
    if (uv_write(&write->request, as_stream(&handle), &buffer, 1, written) != 0) {
        --writes;
        delete write;
        close();
    }
}

void Connection::on_written(int status) {
    --writes;
    if (closing) return;
    if (status != 0) {
        close();
        return;
    }
    active_at = uv_now(server.loop);
    if (writes > 0) return;
    const bool answered = !conversation.wants_input();
    conversation.output_sent();
    if (answered) exchange_began_at = conversation.in_exchange() ? active_at : 0;
    pump();
}

void Connection::pump() {
    if (std::string output = conversation.take_output(); !output.empty()) write(std::move(output));
    if (closing) return;
    if (!conversation.finished()) {
        set_reading(conversation.wants_input());
    } else if (writes == 0) {
        if (ended) {
            close();
        } else if (!lingering) {
            linger();
        }
    }
}

void Connection::set_reading(bool wanted) {
    if (wanted == reading) return;
    reading = wanted;
    if (!wanted) {
        uv_read_stop(as_stream(&handle));
        return;
    }
    const auto allocate = [](uv_handle_t* its_handle, std::size_t, uv_buf_t* buffer) {
        std::vector<char>& shared = static_cast<Connection*>(its_handle->data)->server.read_buffer;
        *buffer = uv_buf_init(shared.data(), static_cast<unsigned>(shared.size()));
    };
    const auto received = [](uv_stream_t* stream, ssize_t length, const uv_buf_t* buffer) {
        static_cast<Connection*>(stream->data)->on_read(length, buffer->base);
    };
    if (uv_read_start(as_stream(&handle), allocate, received) != 0) close();
}

void Connection::linger() {
    lingering = true;
    lingers_since = uv_now(server.loop);
    if (uv_shutdown(&shutdown, as_stream(&handle), [](uv_shutdown_t*, int) {}) != 0) {
        close();
        return;
    }
    set_reading(true);
}

void Connection::sweep(std::uint64_t now) {
    const auto passed = [now](std::uint64_t since, std::chrono::milliseconds limit) {
        return now - since >= static_cast<std::uint64_t>(limit.count());
    };
    const std::size_t unsent_now = uv_stream_get_write_queue_size(as_stream(&handle));
    if (unsent_now != unsent_bytes) active_at = now;  // the client is reading
    unsent_bytes = unsent_now;
    const bool idle = passed(active_at, server.limits.idle_limit);
    const bool slow = exchange_began_at != 0 && passed(exchange_began_at, server.limits.exchange_limit);
    if (idle || slow || (lingering && passed(lingers_since, linger_limit))) close();
}

void Connection::close() {
    if (std::exchange(closing, true)) return;
    server.connections.erase(this);
    uv_close(as_handle(&handle), [](uv_handle_t* closed) {
        auto* connection = static_cast<Connection*>(closed->data);
        Server::State& its_server = connection->server;
        delete connection;
        its_server.handle_closed();
    });
}

// ---- the server

void Server::State::listen(const std::string& address, int wanted_port) {
    sockaddr_storage where{};
    if (uv_ip4_addr(address.c_str(), wanted_port, reinterpret_cast<sockaddr_in*>(&where)) != 0 &&
        uv_ip6_addr(address.c_str(), wanted_port, reinterpret_cast<sockaddr_in6*>(&where)) != 0) {
        throw outcome::StartupError(
            fmt::format("'{}' is not an IP address to listen on; write one as 127.0.0.1 or ::1", address));
    }
    int result = uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&where), 0);
    const auto on_connection = [](uv_stream_t* stream, int status) {
        auto* state = static_cast<State*>(stream->data);
        if (status == 0) {
            state->accept();
        } else {
            log::warn("http_accept_failed", {{"error", uv_strerror(status)}});
        }
    };
    if (result == 0) result = uv_listen(as_stream(&listener), backlog, on_connection);
    if (result != 0) {
        throw outcome::StartupError(
            fmt::format("cannot listen on {} port {}: {}; choose another address or port", address,
                        wanted_port, uv_strerror(result)));
    }
    int length = sizeof where;
    must(uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&where), &length));
    const bool is_v6 = where.ss_family == AF_INET6;
    port = ntohs(is_v6 ? reinterpret_cast<const sockaddr_in6*>(&where)->sin6_port
                       : reinterpret_cast<const sockaddr_in*>(&where)->sin_port);
}

void Server::State::accept() {
    if (connections.size() >= limits.connections_max) {
        turn_away();
        return;
    }
    auto* connection = new Connection(*this, handler, limits);
    connection->handle.data = connection;
    must(uv_tcp_init(loop, &connection->handle));
    ++open_handles;
    connections.insert(connection);
    if (uv_accept(as_stream(&listener), as_stream(&connection->handle)) != 0) {
        connection->close();
        return;
    }
    uv_tcp_nodelay(&connection->handle, 1);
    connection->active_at = uv_now(loop);
    connection->set_reading(true);
}

// Nothing is kept for it: what the socket does not take at once is not said.
void Server::State::turn_away() {
    auto* handle = new uv_tcp_t{};
    must(uv_tcp_init(loop, handle));
    handle->data = this;
    ++open_handles;
    if (uv_accept(as_stream(&listener), as_stream(handle)) == 0) {
        std::string text(too_many);
        const uv_buf_t buffer = uv_buf_init(text.data(), static_cast<unsigned>(text.size()));
        uv_try_write(as_stream(handle), &buffer, 1);
    }
    uv_close(as_handle(handle), [](uv_handle_t* closed) {
        auto* state = static_cast<State*>(closed->data);
        delete reinterpret_cast<uv_tcp_t*>(closed);
        state->handle_closed();
    });
}

void Server::State::start_sweeping() {
    const auto shortest =
        static_cast<std::uint64_t>(std::min(limits.idle_limit, limits.exchange_limit).count());
    const std::uint64_t period = std::clamp<std::uint64_t>(shortest / 4, 10, 500);
    must(uv_timer_start(
        &sweeper, [](uv_timer_t* timer) { static_cast<State*>(timer->data)->sweep(); }, period, period));
}

void Server::State::sweep() {
    const std::vector<Connection*> open(connections.begin(), connections.end());
    const std::uint64_t now = uv_now(loop);
    for (Connection* connection : open) connection->sweep(now);
}

void Server::State::close() {
    closing = true;
    for (uv_handle_t* handle : {as_handle(&listener), as_handle(&sweeper)}) {
        uv_close(handle, [](uv_handle_t* closed) { static_cast<State*>(closed->data)->handle_closed(); });
    }
    const std::vector<Connection*> open(connections.begin(), connections.end());
    for (Connection* connection : open) connection->close();
}

void Server::State::handle_closed() {
    if (--open_handles == 0) delete this;
}

Server::Server(uv_loop_s* loop, const std::string& address, int port, RequestHandler handler,
               ServerLimits limits)
    : state_(new State(loop, std::move(handler), limits)) {
    std::signal(SIGPIPE, SIG_IGN);
    must(uv_tcp_init(loop, &state_->listener));
    must(uv_timer_init(loop, &state_->sweeper));
    state_->listener.data = state_->sweeper.data = state_;
    state_->open_handles = 2;
    try {
        state_->listen(address, port);
    } catch (...) {
        state_->close();
        throw;
    }
    state_->start_sweeping();
}

Server::~Server() {
    state_->close();
}

int Server::port() const {
    return state_->port;
}

std::size_t Server::connections() const {
    return state_->connections.size();
}

}  // namespace cartwright::http
