// A server that says anything, and a caller that asks it.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/http/caller.hpp"

namespace raw_server {

using namespace cartwright::http;
using namespace std::chrono_literals;

/// A server that answers with bytes, however wrong, and counts connections.
class RawServer {
  public:
    /// Gets a whole request, returns what is written; closes the connection afterwards when it says so.
    struct Reply {
        std::string bytes;
        bool closes = false;
    };
    explicit RawServer(std::function<Reply(const std::string& request)> answer) : answer_(std::move(answer)) {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
        REQUIRE(listen(listener_, 1'024) == 0);
        socklen_t size = sizeof(address);
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { accept_all(); });
    }
    ~RawServer() {
        listen_no_more();
        thread_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const int fd : open_) shutdown(fd, SHUT_RDWR);
        }
        for (auto& one : connections_) one.join();
        close(listener_);
    }
    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;

    /// Whoever connects from now on is refused; connections that are there stay. Also from within an answer.
    void listen_no_more() {
        stopping_ = true;
        shutdown(listener_, SHUT_RDWR);
    }
    std::string url(const std::string& path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }
    int port() const { return port_; }
    int accepted() const { return accepted_; }
    int closed() const { return closed_; }
    std::vector<std::string> requests() {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

  private:
    void accept_all() {
        while (!stopping_) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            ++accepted_;
            const std::lock_guard lock(mutex_);
            open_.insert(fd);
            connections_.emplace_back([this, fd] { serve(fd); });
        }
    }
    void serve(int fd) {
        std::string bytes;
        std::array<char, 65'536> buffer{};
        for (;;) {
            const auto end = bytes.find("\r\n\r\n");
            const auto length_at = bytes.find("Content-Length: ");
            if (end != std::string::npos && length_at != std::string::npos) {
                const auto length = std::stoul(bytes.substr(length_at + 16));
                if (bytes.size() >= end + 4 + length) {
                    const auto request = bytes.substr(0, end + 4 + length);
                    bytes.erase(0, request.size());
                    {
                        const std::lock_guard lock(mutex_);
                        requests_.push_back(request);
                    }
                    const auto reply = answer_(request);
                    std::size_t sent = 0;
                    while (sent < reply.bytes.size()) {
                        const auto count =
                            send(fd, reply.bytes.data() + sent, reply.bytes.size() - sent, MSG_NOSIGNAL);
                        if (count <= 0) break;
                        sent += static_cast<std::size_t>(count);
                    }
                    if (reply.closes || sent < reply.bytes.size()) break;
                    continue;
                }
            }
            const auto count = recv(fd, buffer.data(), buffer.size(), 0);
            if (count <= 0) break;
            bytes.append(buffer.data(), static_cast<std::size_t>(count));
        }
        const std::lock_guard lock(mutex_);
        open_.erase(fd);
        close(fd);
        ++closed_;
    }

    std::function<Reply(const std::string&)> answer_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> accepted_ = 0, closed_ = 0;
    std::mutex mutex_;
    std::set<int> open_;
    std::vector<std::string> requests_;
    std::vector<std::thread> connections_;
    std::thread thread_;
};

/// What a test changes between its calls while the server's threads read it.
class Changing {
  public:
    explicit Changing(std::string text) : text_(std::move(text)) {}
    Changing& operator=(std::string text) {
        const std::lock_guard lock(mutex_);
        text_ = std::move(text);
        return *this;
    }
    std::string now() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

  private:
    mutable std::mutex mutex_;
    std::string text_;
};

inline RawServer::Reply answer(int status, const std::string& body = "", const std::string& headers = "") {
    return {"HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n" + headers + "\r\n" + body,
            false};
}

inline Call to(const std::string& url, const std::string& body = "{}") {
    Call call;
    call.url = url;
    call.body = body;
    call.headers = {{"content-type", "application/json"}, {"webhook-id", "m-1"}};
    call.private_addresses = true;
    call.connect_timeout = 2s;
    call.total_timeout = 5s;
    return call;
}

inline CallResult one(Caller& caller, Call call) {
    caller.start(7, std::move(call));
    for (;;) {
        const auto results = caller.run(1s);
        if (results.empty()) continue;
        REQUIRE(results.size() == 1);
        CHECK(results[0].id == 7);
        CHECK(caller.in_flight() == 0);
        return results[0];
    }
}

}  // namespace raw_server
