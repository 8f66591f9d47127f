// How a call ends that never got a connection, or had one before.
#include <fcntl.h>

#include <memory>

#include "raw_server.hpp"

using namespace raw_server;

namespace {

/// A port where connections are neither taken nor refused: its queue of them is full.
class FullPort {
  public:
    FullPort() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
        REQUIRE(listen(listener_, 0) == 0);
        socklen_t size = sizeof(address);
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        for (int& fd : waiting_) {
            fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
        }
    }
    ~FullPort() {
        for (const int fd : waiting_) close(fd);
        close(listener_);
    }
    FullPort(const FullPort&) = delete;
    FullPort& operator=(const FullPort&) = delete;
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

  private:
    int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::array<int, 8> waiting_{};
    int port_ = 0;
};

}  // namespace

TEST_CASE("what could not be connected certainly did not arrive") {
    Caller caller(10);
    std::string gone;
    {
        RawServer server([](const std::string&) { return answer(200); });
        gone = server.url();
    }
    auto result = one(caller, to(gone));
    CHECK(result.end == CallEnd::unsent);
    CHECK(result.status == 0);
    CHECK(result.trouble.starts_with(gone.substr(7, gone.size() - 8) + ": Failed to connect"));
    result = one(caller, to("http://user:hunter2@no-such-host.invalid/"));
    CHECK(result.end == CallEnd::unsent);
    CHECK(result.trouble.starts_with("no-such-host.invalid: "));
    CHECK(result.trouble.find("hunter2") == std::string::npos);
    CHECK(one(caller, to("ftp://127.0.0.1/")).end == CallEnd::unsent);
    CHECK(one(caller, to("nonsense://")).end == CallEnd::unsent);
    CHECK(one(caller, to("")).end == CallEnd::unsent);
}

TEST_CASE("a connection that does not come about in time") {
    const FullPort port;
    Caller caller(10);
    auto call = to(port.url());
    call.connect_timeout = 100ms;
    CHECK(one(caller, call).end == CallEnd::unsent);
    call.connect_timeout = 5s;
    call.total_timeout = 100ms;
    CHECK(one(caller, call).end == CallEnd::unsent);
}

TEST_CASE("who is connected but never begins to speak TLS") {
    RawServer server([](const std::string&) { return answer(200); });
    Caller caller(10);
    auto call = to("https://127.0.0.1:" + std::to_string(server.port()));
    call.connect_timeout = 200ms;
    CHECK(one(caller, call).end == CallEnd::unsent);
    CHECK(server.accepted() == 1);
    call.connect_timeout = 5s;
    call.total_timeout = 200ms;
    CHECK(one(caller, call).end == CallEnd::unsent);
}

TEST_CASE("a kept connection that is cut under a request: curl sends it again") {
    RawServer server([calls = 0](const std::string&) mutable {
        return ++calls == 2 ? RawServer::Reply{"", true} : answer(200);
    });
    Caller caller(10);
    REQUIRE(one(caller, to(server.url())).status == 200);
    CHECK(one(caller, to(server.url())).status == 200);
    CHECK(server.requests().size() == 3);
    CHECK(server.accepted() == 2);
}

TEST_CASE("a kept connection that is cut under a request, and nobody there afterwards: it may have arrived") {
    RawServer* listening = nullptr;
    RawServer server([&, calls = 0](const std::string&) mutable {
        if (++calls == 1) return answer(200);
        listening->listen_no_more();
        return RawServer::Reply{"", true};
    });
    listening = &server;
    Caller caller(10);
    REQUIRE(one(caller, to(server.url())).status == 200);
    const auto result = one(caller, to(server.url()));
    CHECK(result.trouble.find("Failed to connect") != std::string::npos);
    CHECK(result.end == CallEnd::unknown);
    CHECK(server.requests().size() == 2);
}

TEST_CASE("a kept connection that was closed while nobody used it is no trouble") {
    RawServer server([](const std::string&) {
        auto reply = answer(200);
        reply.closes = true;
        return reply;
    });
    Caller caller(10);
    for (int i = 1; i < 4; ++i) {
        CHECK(one(caller, to(server.url())).status == 200);
        while (server.closed() < i) std::this_thread::sleep_for(1ms);
    }
    CHECK(server.requests().size() == 3);
    server.listen_no_more();
    CHECK(one(caller, to(server.url())).end == CallEnd::unsent);
}

TEST_CASE("private addresses and plain http are for operators to allow") {
    RawServer server([](const std::string&) { return answer(200); });
    Caller caller(10);
    auto call = to(server.url());
    call.private_addresses = false;
    CHECK(one(caller, call).end == CallEnd::unsent);
    for (const auto* host : {"localhost", "127.0.0.1", "2130706433", "0x7f.1", "0", "[::1]",
                             "[::ffff:127.0.0.1]", "169.254.169.254", "[fe80::1]"}) {
        CAPTURE(host);
        call.url = "https://" + std::string(host) + ":" + std::to_string(server.port());
        const auto result = one(caller, call);
        CHECK(result.end == CallEnd::unsent);
        CHECK(result.trouble.find("private address") != std::string::npos);
    }
    CHECK(server.accepted() == 0);
}
