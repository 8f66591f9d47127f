#include "common/http/caller.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "common/http/addresses.hpp"

using namespace cartwright::http;
using namespace std::chrono_literals;

namespace {

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
        stopping_ = true;
        shutdown(listener_, SHUT_RDWR);
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

    std::string url(const std::string& path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }
    int accepted() const { return accepted_; }
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
    }

    std::function<Reply(const std::string&)> answer_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> accepted_ = 0;
    std::mutex mutex_;
    std::set<int> open_;
    std::vector<std::string> requests_;
    std::vector<std::thread> connections_;
    std::thread thread_;
};

RawServer::Reply answer(int status, const std::string& body = "", const std::string& headers = "") {
    return {"HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n" + headers + "\r\n" + body,
            false};
}

Call to(const std::string& url, const std::string& body = "{}") {
    Call call;
    call.url = url;
    call.body = body;
    call.headers = {{"content-type", "application/json"}, {"webhook-id", "m-1"}};
    call.private_addresses = true;
    call.connect_timeout = 2s;
    call.total_timeout = 5s;
    return call;
}

CallResult one(Caller& caller, Call call) {
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

sockaddr_in6 v6(const char* text) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    REQUIRE(inet_pton(AF_INET6, text, &address.sin6_addr) == 1);
    return address;
}

bool private_text(const char* text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (inet_pton(AF_INET, text, &address.sin_addr) == 1)
        return is_private(reinterpret_cast<sockaddr&>(address));
    auto other = v6(text);
    return is_private(reinterpret_cast<sockaddr&>(other));
}

}  // namespace

TEST_CASE("addresses that no seller can have") {
    for (const auto* text :
         {"0.0.0.0",         "10.1.2.3",          "100.64.0.1",      "127.0.0.1",   "127.9.9.9",
          "169.254.169.254", "172.16.0.1",        "172.31.255.255",  "192.168.1.1", "192.0.2.1",
          "198.18.0.1",      "224.0.0.1",         "255.255.255.255", "::",          "::1",
          "fe80::1",         "fc00::1",           "fd12::1",         "ff02::1",     "::ffff:127.0.0.1",
          "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1",    "2001:db8::1", "2001::1",
          "2002:7f00:1::",   "2002:a00:1::",      "100::1"})
        CHECK_MESSAGE(private_text(text), text);
    for (const auto* text : {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1",
                             "172.32.0.1", "192.167.0.1", "223.255.255.255", "2606:4700::1111",
                             "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"})
        CHECK_MESSAGE(!private_text(text), text);
}

TEST_CASE("what is sent arrives whole, and the answer is told") {
    RawServer server([](const std::string&) { return answer(204); });
    Caller caller(10);
    const auto result = one(caller, to(server.url("/hook"), "the body"));
    CHECK(result.end == CallEnd::answered);
    CHECK(result.status == 204);
    CHECK(result.trouble.empty());
    const auto request = server.requests().at(0);
    CHECK(request.starts_with("POST /hook HTTP/1.1\r\n"));
    CHECK(request.ends_with("\r\n\r\nthe body"));
    CHECK(request.find("webhook-id: m-1\r\n") != std::string::npos);
    CHECK(request.find("Expect") == std::string::npos);
}

TEST_CASE("connections are kept") {
    RawServer server([](const std::string&) { return answer(200, "ok"); });
    Caller caller(10);
    for (int i = 0; i < 20; ++i) CHECK(one(caller, to(server.url())).status == 200);
    CHECK(server.accepted() == 1);
    CHECK(server.requests().size() == 20);
}

TEST_CASE("other answers are told with their first bytes, as they may stand in a log") {
    RawServer server([](const std::string&) {
        return answer(503, "come\nagain \x1b[31m" + std::string(5'000, 'x'), "Retry-After: 17\r\n");
    });
    Caller caller(10);
    const auto result = one(caller, to(server.url()));
    CHECK(result.end == CallEnd::answered);
    CHECK(result.status == 503);
    CHECK(result.retry_after == 17s);
    CHECK(result.trouble.starts_with("answered 503: come?again ?[31mxxx"));
    CHECK(result.trouble.size() < 300);
}

TEST_CASE("a date in Retry-After is a time from now; one that is over is none") {
    const std::time_t soon = std::time(nullptr) + 100;
    std::array<char, 64> date{};
    std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&soon));
    std::string header = "Retry-After: " + std::string(date.data()) + "\r\n";
    RawServer server([&](const std::string&) { return answer(429, "", header); });
    Caller caller(10);
    const auto result = one(caller, to(server.url()));
    REQUIRE(result.retry_after);
    CHECK(*result.retry_after > 90s);
    CHECK(*result.retry_after <= 100s);
    header = "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
    CHECK_FALSE(one(caller, to(server.url())).retry_after);
    header = "Retry-After: soon\r\n";
    CHECK_FALSE(one(caller, to(server.url())).retry_after);
}

TEST_CASE("a redirect is an answer, nobody goes there") {
    RawServer elsewhere([](const std::string&) { return answer(200); });
    RawServer server(
        [&](const std::string&) { return answer(307, "", "Location: " + elsewhere.url("/other") + "\r\n"); });
    Caller caller(10);
    const auto result = one(caller, to(server.url()));
    CHECK(result.status == 307);
    CHECK(result.trouble == "answered 307");
    CHECK(elsewhere.accepted() == 0);
}

TEST_CASE("an answer that is too long is cut off, its status counts") {
    RawServer server([](const std::string&) { return answer(200, std::string(10'000'000, 'x')); });
    Caller caller(10);
    auto call = to(server.url());
    call.answer_bytes_max = 1'000;
    const auto result = one(caller, std::move(call));
    CHECK(result.end == CallEnd::answered);
    CHECK(result.status == 200);
}

TEST_CASE("endless headers are not read") {
    RawServer server([](const std::string&) {
        std::string headers;
        for (int i = 0; i < 3'000; ++i)
            headers += "x-" + std::to_string(i) + ": " + std::string(90, 'y') + "\r\n";
        return answer(200, "", headers);
    });
    Caller caller(10);
    CHECK(one(caller, to(server.url())).end == CallEnd::unknown);
}

TEST_CASE("what was cut after it was sent may have arrived") {
    std::string half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    RawServer server([&](const std::string&) { return RawServer::Reply{half, true}; });
    Caller caller(10);
    CHECK(one(caller, to(server.url())).end == CallEnd::unknown);
    half = "HTTP/1.1 2";
    CHECK(one(caller, to(server.url())).end == CallEnd::unknown);
    half = "";
    const auto result = one(caller, to(server.url()));
    CHECK(result.end == CallEnd::unknown);
    CHECK(result.status == 0);
    CHECK_FALSE(result.trouble.empty());
    half = "hello, this is not HTTP\r\n\r\n";
    CHECK(one(caller, to(server.url())).end == CallEnd::unknown);
}

TEST_CASE("no answer in time: it may have arrived") {
    std::atomic<bool> over = false;
    RawServer server([&](const std::string&) {
        while (!over) std::this_thread::sleep_for(5ms);
        return answer(200);
    });
    Caller caller(10);
    auto call = to(server.url());
    call.total_timeout = 100ms;
    const auto result = one(caller, std::move(call));
    CHECK(result.end == CallEnd::unknown);
    CHECK(result.trouble.find("timed out") != std::string::npos);
    over = true;
}

TEST_CASE("what could not be connected certainly did not arrive") {
    Caller caller(10);
    std::string gone;
    {
        RawServer server([](const std::string&) { return answer(200); });
        gone = server.url();
    }
    auto result = one(caller, to(gone));
    CHECK(result.end == CallEnd::unsent);
    CHECK_FALSE(result.trouble.empty());
    CHECK(one(caller, to("http://no-such-host.invalid/")).end == CallEnd::unsent);
    CHECK(one(caller, to("ftp://127.0.0.1/")).end == CallEnd::unsent);
    CHECK(one(caller, to("nonsense://")).end == CallEnd::unsent);
}

TEST_CASE("a kept connection that was closed, and nobody there afterwards: the first try may have arrived") {
    // The server takes the second request, says nothing, closes, and listens no more.
    Caller caller(10);
    auto server = std::make_unique<RawServer>([calls = 0](const std::string&) mutable {
        return ++calls == 1 ? answer(200) : RawServer::Reply{"", true};
    });
    const auto url = server->url();
    REQUIRE(one(caller, to(url)).status == 200);
    caller.start(7, to(url));
    std::vector<CallResult> results;
    while (results.empty()) {
        for (auto& result : caller.run(10ms)) results.push_back(std::move(result));
        if (server && server->requests().size() == 2) server.reset();
    }
    CHECK(results[0].end == CallEnd::unknown);
}

TEST_CASE("private addresses and plain http are for operators to allow") {
    RawServer server([](const std::string&) { return answer(200); });
    Caller caller(10);
    auto call = to(server.url());
    call.private_addresses = false;
    CHECK(one(caller, std::move(call)).end == CallEnd::unsent);
    auto secure = to("https://localhost:" + server.url().substr(17));
    secure.private_addresses = false;
    const auto result = one(caller, std::move(secure));
    CHECK(result.end == CallEnd::unsent);
    CHECK(result.trouble.find("private address") != std::string::npos);
    CHECK(server.accepted() == 0);
}

TEST_CASE("calls that hang hold up nobody") {
    std::atomic<bool> over = false;
    RawServer server([&](const std::string& request) {
        while (request.starts_with("POST /slow") && !over) std::this_thread::sleep_for(5ms);
        return answer(200);
    });
    Caller caller(600);
    for (std::uint64_t id = 0; id < 500; ++id) caller.start(id, to(server.url(id < 50 ? "/slow" : "/quick")));
    std::set<std::uint64_t> ended;
    while (ended.size() < 450) {
        for (const auto& result : caller.run(1s)) {
            CHECK(result.status == 200);
            CHECK(result.id >= 50);
            ended.insert(result.id);
        }
    }
    CHECK(caller.in_flight() == 50);
    over = true;
    while (ended.size() < 500) {
        for (const auto& result : caller.run(1s)) ended.insert(result.id);
    }
}

TEST_CASE("wake ends a wait, also one that has not begun") {
    Caller caller(10);
    caller.wake();
    auto begun = std::chrono::steady_clock::now();
    caller.run(20s);
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
    std::thread waker([&] {
        std::this_thread::sleep_for(20ms);
        caller.wake();
    });
    begun = std::chrono::steady_clock::now();
    caller.run(20s);
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
    waker.join();
}
