#include "tests/integration/amqp/tcp_gate.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <amqp.h>
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cartwright::amqp::tests {
namespace {

constexpr std::size_t header_bytes = 7;

/// Length of the frame at the front; zero when not even its header is there.
std::size_t frame_bytes(const std::string& data) {
    if (data.size() < header_bytes) return 0;
    const auto byte = [&](std::size_t at) {
        return static_cast<std::size_t>(static_cast<unsigned char>(data[at]));
    };
    return header_bytes + (byte(3) << 24 | byte(4) << 16 | byte(5) << 8 | byte(6)) + 1;
}

struct Pair {
    int client = -1;
    int broker = -1;
    std::string to_client;  ///< what is not a whole frame yet, or is held
    bool dead = false;

    ~Pair() {
        if (client >= 0) ::close(client);
        if (broker >= 0) ::close(broker);
    }
};

bool write_all(int descriptor, const char* data, std::size_t size) {
    while (size > 0) {
        const auto written = ::send(descriptor, data, size, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        data += written;
        size -= static_cast<std::size_t>(written);
    }
    return true;
}

}  // namespace

struct TcpGate::State {
    std::string host, url;
    int port = 0;
    int listener = -1;
    int waker = ::eventfd(0, EFD_NONBLOCK);
    mutable std::mutex mutex;
    std::list<Pair> pairs;
    bool stalled = false, held = false, closed_door = false, ended = false;
    std::size_t accepted = 0;
    std::thread thread;

    void run();
    void accept();
    void forward(Pair& pair);
    void answer(Pair& pair);
    void wake() const {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(waker, &one, sizeof one);
    }
    template <class Change>
    void change(Change&& apply) {
        {
            const std::lock_guard lock(mutex);
            apply();
        }
        wake();
    }
};

TcpGate::TcpGate(const std::string& broker_url) : state_(std::make_unique<State>()) {
    auto text = broker_url;
    amqp_connection_info info;
    REQUIRE(amqp_parse_url(text.data(), &info) == AMQP_STATUS_OK);
    state_->host = info.host;
    state_->port = info.port;
    state_->listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(state_->listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(state_->listener, 16) == 0);
    REQUIRE(::getsockname(state_->listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const std::string vhost = std::strcmp(info.vhost, "/") == 0 ? "%2f" : info.vhost;
    state_->url =
        fmt::format("amqp://{}:{}@127.0.0.1:{}/{}", info.user, info.password, ntohs(address.sin_port), vhost);
    state_->thread = std::thread([this] { state_->run(); });
}

TcpGate::~TcpGate() {
    state_->change([&] { state_->ended = true; });
    state_->thread.join();
    ::close(state_->listener);
    ::close(state_->waker);
}

const std::string& TcpGate::url() const {
    return state_->url;
}

void TcpGate::cut() {
    state_->change([&] {
        for (auto& pair : state_->pairs) {
            ::shutdown(pair.client, SHUT_RDWR);
            ::shutdown(pair.broker, SHUT_RDWR);
            pair.dead = true;
        }
    });
}

void TcpGate::stall(bool on) {
    state_->change([&] { state_->stalled = on; });
}

void TcpGate::hold_answers(bool on) {
    state_->change([&] {
        state_->held = on;
        for (auto& pair : state_->pairs) state_->answer(pair);
    });
}

void TcpGate::shut(bool on) {
    state_->change([&] { state_->closed_door = on; });
}

void TcpGate::inject(const std::string& frames) {
    const std::lock_guard lock(state_->mutex);
    for (auto& pair : state_->pairs) REQUIRE(write_all(pair.client, frames.data(), frames.size()));
}

std::size_t TcpGate::connections() const {
    const std::lock_guard lock(state_->mutex);
    return state_->accepted;
}

void TcpGate::State::accept() {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) return;
    ++accepted;
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    const bool resolved = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) == 0;
    const int broker = resolved ? ::socket(found->ai_family, SOCK_STREAM, 0) : -1;
    const bool connected = broker >= 0 && ::connect(broker, found->ai_addr, found->ai_addrlen) == 0;
    if (found != nullptr) ::freeaddrinfo(found);
    auto& pair = pairs.emplace_back();
    pair.client = client;
    pair.broker = broker;
    pair.dead = !connected || closed_door;
}

/// What the client says.
void TcpGate::State::forward(Pair& pair) {
    std::array<char, 65536> buffer;
    const auto got = ::recv(pair.client, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || !write_all(pair.broker, buffer.data(), static_cast<std::size_t>(got))) pair.dead = true;
}

/// What the broker said, in whole frames.
void TcpGate::State::answer(Pair& pair) {
    if (held) return;
    for (auto size = frame_bytes(pair.to_client); size != 0 && size <= pair.to_client.size();
         size = frame_bytes(pair.to_client)) {
        if (!write_all(pair.client, pair.to_client.data(), size)) pair.dead = true;
        pair.to_client.erase(0, size);
    }
}

void TcpGate::State::run() {
    std::unique_lock lock(mutex);
    while (!ended) {
        std::vector<pollfd> polled{{waker, POLLIN, 0}, {listener, POLLIN, 0}};
        if (!stalled)
            for (const auto& pair : pairs) {
                polled.push_back({pair.client, POLLIN, 0});
                polled.push_back({pair.broker, POLLIN, 0});
            }
        lock.unlock();
        ::poll(polled.data(), polled.size(), 1'000);
        lock.lock();
        std::uint64_t count = 0;
        [[maybe_unused]] const auto drained = ::read(waker, &count, sizeof count);
        std::size_t at = 2;
        if (polled.size() > 2 && !stalled)
            for (auto& pair : pairs) {
                if (pair.dead) {
                    at += 2;
                    continue;
                }
                if (polled[at++].revents != 0) forward(pair);
                if (polled[at++].revents == 0) continue;
                std::array<char, 65536> buffer;
                const auto got = ::recv(pair.broker, buffer.data(), buffer.size(), MSG_DONTWAIT);
                if (got > 0) pair.to_client.append(buffer.data(), static_cast<std::size_t>(got));
                if (got == 0 || (got < 0 && errno != EAGAIN)) pair.dead = true;
                answer(pair);
            }
        if (polled[1].revents != 0) accept();
        pairs.remove_if([](const Pair& pair) { return pair.dead; });
    }
}

std::string method_frame(std::uint16_t channel, std::uint16_t class_id, std::uint16_t method_id,
                         const std::string& arguments) {
    const auto two = [](std::uint16_t number) {
        return std::string{static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
    };
    const auto payload = two(class_id) + two(method_id) + arguments;
    const auto size = static_cast<std::uint32_t>(payload.size());
    return std::string(1, '\x01') + two(channel) + two(static_cast<std::uint16_t>(size >> 16)) +
           two(static_cast<std::uint16_t>(size & 0xffff)) + payload + '\xce';
}

}  // namespace cartwright::amqp::tests
