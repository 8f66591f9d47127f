// A server on a loop of its own thread, and a socket that speaks to it byte by byte.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "common/http/server.hpp"
#include "common/runtime/loop.hpp"

namespace serving {

using namespace cartwright::http;

class Serving {
  public:
    explicit Serving(RequestHandler handler, ServerLimits limits = {}) {
        std::promise<int> started;
        std::future<int> port = started.get_future();
        thread_ = std::thread([this, handler = std::move(handler), limits, &started] {
            const Server server(loop_.native(), "127.0.0.1", 0, handler, limits);
            server_ = &server;
            started.set_value(server.port());
            loop_.run();
        });
        port_ = port.get();
    }
    ~Serving() {
        loop_.stop();
        thread_.join();
    }

    int port() const { return port_; }
    std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }

    std::size_t connections() {
        std::promise<std::size_t> asked;
        loop_.post([this, &asked] { asked.set_value(server_->connections()); });
        return asked.get_future().get();
    }

  private:
    cartwright::runtime::Loop loop_;
    const Server* server_ = nullptr;
    std::thread thread_;
    int port_ = 0;
};

class Socket {
  public:
    explicit Socket(int port) : number_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(connect(number_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    ~Socket() { close(number_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(number_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    void end() const { shutdown(number_, SHUT_WR); }

    /// Reads until the text contains `wanted` (empty: until the server closes); at most ten seconds.
    std::string read_until(std::string_view wanted) {
        while (wanted.empty() || received_.find(wanted) == std::string::npos) {
            pollfd ready{number_, POLLIN, 0};
            if (poll(&ready, 1, 10'000) <= 0) return received_ + " (time is over)";
            char buffer[65536];
            const ssize_t length = recv(number_, buffer, sizeof buffer, 0);
            if (length < 0) return received_ + " (reset)";
            if (length == 0) break;
            received_.append(buffer, static_cast<std::size_t>(length));
        }
        return std::exchange(received_, {});
    }
    std::string read_all() { return read_until(""); }

  private:
    int number_;
    std::string received_;
};

}  // namespace serving
