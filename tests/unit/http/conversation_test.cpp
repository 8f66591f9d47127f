#include "common/http/conversation.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace cartwright::http;

namespace {

const std::string host = "Host: here\r\n";

// A conversation whose answers leave at once.
struct Talk {
    explicit Talk(ServerLimits its_limits = {}) : limits(its_limits) {}

    std::string say(std::string_view bytes) {
        conversation.receive(bytes);
        return flush();
    }
    std::string flush() {
        std::string all;
        for (std::string part; !(part = conversation.take_output()).empty(); all += part)
            conversation.output_sent();
        return all;
    }

    ServerLimits limits;
    std::vector<Request> requests;
    RequestHandler handler = [this](const Request& request) -> Response {
        requests.push_back(request);
        if (request.path == "/throw") throw std::runtime_error("on purpose");
        if (request.path == "/missing") return {404, "no such thing\n"};
        if (request.path == "/nothing") return {204, "left out"};
        return {200, "path " + request.path + "\n"};
    };
    Conversation conversation{handler, limits};
};

int status_of(const std::string& answer) {
    if (!answer.starts_with("HTTP/1.1 ")) return 0;
    return std::stoi(answer.substr(9, 3));
}

int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
    return found;
}

}  // namespace

TEST_CASE("a request is taken apart and answered") {
    Talk talk;
    const std::string answer =
        talk.say("GET /a/b?x=1&y=%20#z HTTP/1.1\r\n" + host + "X-Empty:\r\nX-Two:  v w \r\n\r\n");
    REQUIRE(talk.requests.size() == 1);
    const Request& request = talk.requests[0];
    CHECK(request.method == "GET");
    CHECK(request.path == "/a/b");
    CHECK(request.query == "x=1&y=%20");
    CHECK(request.body.empty());
    REQUIRE(request.headers.size() == 3);
    CHECK(request.headers[1].name == "X-Empty");
    CHECK(request.headers[1].value.empty());
    CHECK(find_header(request.headers, "x-tWO") == "v w ");
    CHECK(find_header(request.headers, "x-three").empty());

    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\nDate: "));
    CHECK(answer.find(" GMT\r\n") != std::string::npos);
    CHECK(answer.find("Connection: keep-alive\r\n") != std::string::npos);
    CHECK(answer.find("Content-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n") !=
          std::string::npos);
    CHECK(answer.ends_with("\r\n\r\npath /a/b\n"));
    CHECK(talk.conversation.wants_input());
    CHECK_FALSE(talk.conversation.in_exchange());
}

TEST_CASE("bytes may come one by one") {
    Talk talk;
    const std::string post = "POST /p HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello";
    const std::string chunked =
        "POST /c HTTP/1.1\r\n" + host +
        "Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n";
    std::string answers;
    for (const char c : post + chunked + "GET / HTTP/1.1\r\n" + host + "\r\n") answers += talk.say({&c, 1});
    REQUIRE(talk.requests.size() == 3);
    CHECK(talk.requests[0].method == "POST");
    CHECK(talk.requests[0].body == "hello");
    CHECK(talk.requests[1].body == "abcde");
    CHECK(find_header(talk.requests[1].headers, "trailer").empty());
    CHECK(count(answers, "HTTP/1.1 200 OK") == 3);
}

TEST_CASE("what is sent ahead is answered in order, one at a time") {
    Talk talk;
    std::string ahead;
    for (int i = 0; i < 50; ++i) ahead += "GET /" + std::to_string(i) + " HTTP/1.1\r\n" + host + "\r\n";
    talk.conversation.receive(ahead + "POST /last HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbo");
    CHECK(talk.requests.size() == 1);
    CHECK_FALSE(talk.conversation.wants_input());
    std::string answers = talk.flush();
    CHECK(talk.requests.size() == 50);
    CHECK(talk.conversation.in_exchange());
    answers += talk.say("dy");
    REQUIRE(talk.requests.size() == 51);
    CHECK(talk.requests[50].body == "body");
    for (int i = 0; i < 50; ++i)
        CHECK(talk.requests[static_cast<std::size_t>(i)].path == "/" + std::to_string(i));
    CHECK(count(answers, "HTTP/1.1 200 OK") == 51);
}

TEST_CASE("HEAD is GET without the answer's body") {
    Talk talk;
    const std::string answer = talk.say("HEAD /x HTTP/1.1\r\n" + host + "\r\n");
    CHECK(talk.requests[0].method == "GET");
    CHECK(answer.find("Content-Length: 8\r\n") != std::string::npos);
    CHECK(answer.ends_with("\r\n\r\n"));
    CHECK(talk.say("GET /x HTTP/1.1\r\n" + host + "\r\n").ends_with("path /x\n"));
}

TEST_CASE("the handler's own statuses") {
    Talk talk;
    CHECK(status_of(talk.say("GET /missing HTTP/1.1\r\n" + host + "\r\n")) == 404);
    CHECK(status_of(talk.say("GET /throw HTTP/1.1\r\n" + host + "\r\n")) == 500);
    const std::string nothing = talk.say("GET /nothing HTTP/1.1\r\n" + host + "\r\n");
    CHECK(status_of(nothing) == 204);
    CHECK(nothing.find("Content-Length") == std::string::npos);
    CHECK(nothing.ends_with("\r\n\r\n"));
    CHECK_FALSE(talk.conversation.finished());
}

TEST_CASE("header values from the handler stay on their line") {
    const ServerLimits limits;
    const RequestHandler handler = [](const Request&) -> Response {
        return {200, "", "text/plain", {{"X-Echo", "a\r\nX-Injected: b"}}};
    };
    Conversation conversation(handler, limits);
    conversation.receive("GET / HTTP/1.1\r\n" + host + "\r\n");
    CHECK(conversation.take_output().find("X-Echo: a  X-Injected: b\r\n") != std::string::npos);
}

TEST_CASE("keep-alive follows version and header") {
    for (const auto& [request, kept] :
         {std::pair{"GET / HTTP/1.1\r\n" + host + "\r\n", true},
          {"GET / HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", false},
          {std::string("GET / HTTP/1.0\r\n\r\n"), false},
          {std::string("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), true}}) {
        Talk talk;
        const std::string answer = talk.say(request + "GET /second HTTP/1.1\r\n" + host + "\r\n");
        INFO(request);
        CHECK(count(answer, "HTTP/1.1 200 OK") == (kept ? 2 : 1));
        CHECK((answer.find("Connection: close") == std::string::npos) == kept);
        CHECK(talk.conversation.finished() != kept);
    }
}

TEST_CASE("other methods are answered 405") {
    for (const std::string method : {"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"}) {
        Talk talk;
        const std::string target = method == "CONNECT" ? "here:80" : "/";
        const std::string answer =
            talk.say(method + " " + target + " HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc");
        INFO(method);
        CHECK(status_of(answer) == 405);
        CHECK(answer.find("Allow: GET, HEAD, POST\r\n") != std::string::npos);
        CHECK(talk.conversation.finished());
        CHECK(talk.requests.empty());
    }
}

TEST_CASE("what is not HTTP is answered 400, once") {
    for (const std::string& garbage :
         {std::string("garbage\r\n\r\n"), std::string("\x16\x03\x01\x02\x01\xfc", 6), std::string(8, '\0'),
          std::string("GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\n: x\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), std::string("GET / HTTP/1.1\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
          std::string("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
                      "chunked\r\n\r\n0\r\n\r\n"),
          std::string("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
          std::string("GET /\x7f\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), std::string("GET  HTTP/1.1\r\n\r\n"),
          std::string("GET / HTTP/9.9\r\n\r\n"), std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}) {
        Talk talk;
        std::string answer = talk.say(garbage);
        answer += talk.say("GET / HTTP/1.1\r\n" + host + "\r\n");
        INFO(garbage);
        CHECK((status_of(answer) == 400 || status_of(answer) == 505));
        CHECK(count(answer, "HTTP/1.1") == 1);
        CHECK(talk.conversation.finished());
        CHECK(talk.requests.empty());
    }
}

TEST_CASE("sizes are bounded") {
    ServerLimits limits;
    limits.header_bytes_max = 200;
    limits.body_bytes_max = 10;
    const auto status = [&limits](const std::string& request) {
        Talk talk(limits);
        return status_of(talk.say(request));
    };
    CHECK(status("GET /" + std::string(300, 'x')) == 431);
    CHECK(status("GET / HTTP/1.1\r\nX: " + std::string(300, 'x')) == 431);
    CHECK(status("GET / HTTP/1.1\r\n" + std::string(300, 'x')) == 431);
    std::string many = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 20; ++i) many += "X:\r\n";
    CHECK(status(many) == 431);
    CHECK(status("POST / HTTP/1.1\r\n" + host + "Content-Length: 11\r\n\r\n") == 413);
    CHECK(status("POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999\r\n\r\n") == 413);
    CHECK(status("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n") ==
          413);
    CHECK(status("POST / HTTP/1.1\r\n" + host +
                 "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: " + std::string(300, 'x')) == 431);
    CHECK(status("POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\n0123456789") == 200);
    // The bounds are those of one request, not of the connection.
    Talk talk(limits);
    for (int i = 0; i < 20; ++i) {
        CHECK(status_of(talk.say("POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\n0123456789")) ==
              200);
    }
}

TEST_CASE("a client that waits for it is told to go on") {
    Talk talk;
    talk.conversation.receive("POST / HTTP/1.1\r\n" + host +
                              "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    CHECK(talk.conversation.take_output() == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(talk.conversation.wants_input());
    // The body may come before the interim answer has left.
    talk.conversation.receive("ok");
    CHECK(status_of(talk.flush()) == 200);
    CHECK(talk.requests[0].body == "ok");
}

TEST_CASE("an offer of another protocol is passed over") {
    Talk talk;
    const std::string answers =
        talk.say("GET /a HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" +
                 "GET /b HTTP/1.1\r\n" + host + "\r\n");
    CHECK(count(answers, "HTTP/1.1 200 OK") == 2);
    CHECK(talk.requests[1].path == "/b");
}

TEST_CASE("a target in absolute form") {
    for (const auto& [target, path] : {std::pair{"http://here:1/x/y", "/x/y"}, {"http://here", "/"}}) {
        Talk talk;
        CHECK(status_of(talk.say("GET " + std::string(target) + " HTTP/1.1\r\n" + host + "\r\n")) == 200);
        CHECK(talk.requests[0].path == path);
    }
}

TEST_CASE("after the end of input what was sent before is still answered") {
    Talk talk;
    const std::string get = "GET / HTTP/1.1\r\n" + host + "\r\n";
    talk.conversation.receive(get + get + "GET /cut");
    talk.conversation.end_of_input();
    CHECK_FALSE(talk.conversation.finished());
    CHECK(count(talk.flush(), "HTTP/1.1 200 OK") == 2);
    CHECK(talk.conversation.finished());

    Talk silent;
    silent.conversation.end_of_input();
    CHECK(silent.conversation.finished());
    CHECK(silent.flush().empty());
}

TEST_CASE("cut and corrupted requests never do worse than an error") {
    const std::string whole = "POST /p?q HTTP/1.1\r\n" + host +
                              "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n" +
                              host + "\r\n";
    for (std::size_t i = 0; i < whole.size(); ++i) {
        for (int byte = 0; byte < 256; byte += 5) {
            Talk talk;
            std::string corrupted = whole;
            corrupted[i] = static_cast<char>(byte);
            const std::string answers = talk.say(corrupted);
            talk.conversation.end_of_input();
            CHECK(talk.conversation.finished());
            if (!answers.empty()) CHECK(status_of(answers) >= 200);
        }
    }
}
