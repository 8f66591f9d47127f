#include <ctime>
#include <string_view>

#include "raw_server.hpp"

using namespace raw_server;

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
    const auto begin = "127.0.0.1:" + std::to_string(server.port()) + ": answered 503: come?again ?[31mxxx";
    CHECK(result.trouble.starts_with(begin));
    CHECK(result.trouble.size() < 300);
}

TEST_CASE("a date in Retry-After is a time from now; one that is over is none") {
    const std::time_t soon = std::time(nullptr) + 100;
    std::array<char, 64> date{};
    std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&soon));
    Changing header("Retry-After: " + std::string(date.data()) + "\r\n");
    RawServer server([&](const std::string&) { return answer(429, "", header.now()); });
    Caller caller(10);
    const auto result = one(caller, to(server.url()));
    REQUIRE(result.retry_after);
    CHECK(*result.retry_after > 90s);
    CHECK(*result.retry_after <= 100s);
    header = "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
    CHECK_FALSE(one(caller, to(server.url())).retry_after);
    for (const auto* none : {"soon", "", "0", "-5", "-9000000000000000000", "1e9x"}) {
        CAPTURE(none);
        header = "Retry-After: " + std::string(none) + "\r\n";
        const auto wait = one(caller, to(server.url())).retry_after;
        CHECK((!wait || *wait == 1s));  // "1e9x" begins with a number
    }
    for (const auto* ages : {"86401", "9000000000000000000", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
        CAPTURE(ages);
        header = "Retry-After: " + std::string(ages) + "\r\n";
        CHECK(one(caller, to(server.url())).retry_after == 24h);
    }
}

TEST_CASE("an answer in any language is shown in it, cut between characters") {
    Changing body("n\u00e3o h\u00e1 estoque \xff");
    RawServer server([&](const std::string&) { return answer(400, body.now()); });
    Caller caller(10);
    CHECK(one(caller, to(server.url())).trouble.ends_with(": answered 400: n\u00e3o h\u00e1 estoque ?"));
    for (const std::size_t before : {196U, 197U, 198U, 199U, 200U}) {
        body = std::string(before, 'x') + "\U0001F69A and more";
        const auto trouble = one(caller, to(server.url())).trouble;
        const auto shown = trouble.substr(trouble.rfind(' ') + 1);
        CHECK(shown == std::string(before, 'x') + (before == 196 ? "\U0001F69A" : ""));
    }
}

TEST_CASE("a redirect is an answer, nobody goes there") {
    RawServer elsewhere([](const std::string&) { return answer(200); });
    RawServer server(
        [&](const std::string&) { return answer(307, "", "Location: " + elsewhere.url("/other") + "\r\n"); });
    Caller caller(10);
    const auto result = one(caller, to(server.url()));
    CHECK(result.status == 307);
    CHECK(result.trouble == "127.0.0.1:" + std::to_string(server.port()) + ": answered 307");
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
    const std::vector<std::string> halves = {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
                                             "HTTP/1.1 2", "", "hello, this is not HTTP\r\n\r\n"};
    std::atomic<std::size_t> turn = 0;
    RawServer server([&](const std::string&) { return RawServer::Reply{halves[turn], true}; });
    Caller caller(10);
    for (; turn < halves.size(); ++turn) {
        const auto result = one(caller, to(server.url()));
        CHECK(result.end == CallEnd::unknown);
        CHECK_FALSE(result.trouble.empty());
        if (halves[turn].empty()) CHECK(result.status == 0);
    }
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
