#include "common/http/server.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/outcome/trouble.hpp"
#include "tests/unit/http/serving.hpp"

using namespace serving;
using namespace std::chrono_literals;

namespace {

const std::string get = "GET /x HTTP/1.1\r\nHost: here\r\n\r\n";

Response echo(const Request& request) {
    return {200, "path " + request.path + " body " + request.body + "\n"};
}

template <class Condition>
bool within_seconds(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

}  // namespace

TEST_CASE("requests are answered on one connection, then it is closed on request") {
    Serving serving(echo);
    Socket socket(serving.port());
    socket.send(get);
    CHECK(socket.read_until("body \n").ends_with("\r\n\r\npath /x body \n"));
    socket.send("POST /y HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    CHECK(socket.read_all().ends_with("path /y body hi\n"));
}

TEST_CASE("a client may send everything ahead and close its half") {
    Serving serving(echo);
    Socket socket(serving.port());
    std::string ahead;
    for (int i = 0; i < 1000; ++i) ahead += get;
    socket.send(ahead);
    socket.end();
    const std::string answers = socket.read_all();
    int found = 0;
    for (std::size_t at = 0; (at = answers.find("path /x", at)) != std::string::npos; ++at) ++found;
    CHECK(found == 1000);
    CHECK(within_seconds([&] { return serving.connections() == 0; }));
}

TEST_CASE("large answers reach a client that reads late") {
    const std::string large(20'000'000, 'x');
    Serving serving([&large](const Request&) -> Response { return {200, large}; });
    Socket socket(serving.port());
    socket.send(get + get);
    socket.end();
    std::this_thread::sleep_for(50ms);
    CHECK(socket.read_all().size() > 2 * large.size());
}

TEST_CASE("a refused body does not reset the answer away") {
    ServerLimits limits;
    limits.body_bytes_max = 1000;
    Serving serving(echo, limits);
    Socket socket(serving.port());
    socket.send("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3000000\r\n\r\n");
    socket.send(std::string(3'000'000, 'x'));
    socket.end();
    CHECK(socket.read_all().starts_with("HTTP/1.1 413 "));
}

TEST_CASE("garbage is answered and the connection closed") {
    Serving serving(echo);
    Socket socket(serving.port());
    socket.send("\x16\x03\x01 this is no HTTP\r\n\r\n");
    CHECK(socket.read_until("400\n").starts_with("HTTP/1.1 400 "));
    // It lingers for the client's end, not for ever.
    CHECK(within_seconds([&] { return serving.connections() == 0; }));
}

TEST_CASE("silent and slow clients are let go") {
    ServerLimits limits;
    limits.idle_limit = 100ms;
    limits.exchange_limit = 300ms;
    Serving serving(echo, limits);
    Socket silent(serving.port());
    CHECK(silent.read_all().empty());

    Socket slow(serving.port());
    const auto began = std::chrono::steady_clock::now();
    for (const char c : "GET /" + std::string(1000, 'x')) {
        if (!slow.send({&c, 1})) break;
        std::this_thread::sleep_for(10ms);
        if (std::chrono::steady_clock::now() - began > 5s) break;
    }
    CHECK(std::chrono::steady_clock::now() - began < 5s);
    CHECK(std::chrono::steady_clock::now() - began >= 300ms);
    CHECK(within_seconds([&] { return serving.connections() == 0; }));
}

TEST_CASE("connections are bounded, and one that ends makes room") {
    ServerLimits limits;
    limits.connections_max = 2;
    Serving serving(echo, limits);
    auto first = std::make_unique<Socket>(serving.port());
    Socket second(serving.port());
    CHECK(within_seconds([&] { return serving.connections() == 2; }));
    Socket third(serving.port());
    CHECK(third.read_all().starts_with("HTTP/1.1 503 "));
    first.reset();
    CHECK(within_seconds([&] { return serving.connections() == 1; }));
    Socket fourth(serving.port());
    fourth.send(get);
    CHECK(fourth.read_until("body \n").starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("a server goes with open connections in every state") {
    auto serving = std::make_unique<Serving>(
        [](const Request&) -> Response { return {200, std::string(9'000'000, 'x')}; });
    Socket idle(serving->port()), reading(serving->port()), begun(serving->port()), refused(serving->port());
    begun.send("GET / HT");
    reading.send(get);
    refused.send("nonsense\r\n\r\n");
    CHECK(within_seconds([&] { return serving->connections() == 4; }));
    CHECK(refused.read_until("400\n").starts_with("HTTP/1.1 400 "));
    serving.reset();
    CHECK(idle.read_all().find("(time is over)") == std::string::npos);
    CHECK(reading.read_all().find("(time is over)") == std::string::npos);
}

TEST_CASE("addresses that cannot be listened on") {
    cartwright::runtime::Loop loop;
    CHECK_THROWS_WITH_AS(Server(loop.native(), "localhost", 0, echo),
                         "'localhost' is not an IP address to listen on; write one as 127.0.0.1 or ::1",
                         cartwright::outcome::StartupError);
    const Server first(loop.native(), "127.0.0.1", 0, echo);
    CHECK(first.port() > 0);
    CHECK_THROWS_WITH_AS(Server(loop.native(), "127.0.0.1", first.port(), echo),
                         doctest::Contains("address already in use; choose another address or port"),
                         cartwright::outcome::StartupError);
}
