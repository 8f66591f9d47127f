#include "common/http/client.hpp"

#include <doctest/doctest.h>

#include <string>

#include "common/outcome/trouble.hpp"
#include "tests/unit/http/serving.hpp"

using namespace serving;
using namespace std::chrono_literals;
namespace outcome = cartwright::outcome;

namespace {

Response show(const Request& request) {
    if (request.path == "/redirect") return {302, "", "text/plain", {{"Location", "/elsewhere"}}};
    if (request.path == "/missing") return {404, "no\n"};
    std::string text = request.method + " " + request.path + " " + request.query + " " + request.body;
    for (const Header& header : request.headers) text += "\n" + header.name + ": " + header.value;
    return {200, text + "\n", "text/x-shown", {{"X-Answer", "yes"}}};
}

std::string message_of(Client& client, const std::string& url, std::chrono::milliseconds timeout = 2s) {
    try {
        client.request("GET", url, "", {}, timeout);
    } catch (const outcome::Unavailable& trouble) {
        return std::string("Unavailable: ") + trouble.what();
    } catch (const outcome::Refused& trouble) {
        return std::string("Refused: ") + trouble.what();
    }
    return {};
}

}  // namespace

TEST_CASE("requests and answers") {
    Serving serving(show);
    Client client;
    const Response got = client.request("GET", serving.url("/a?b=c"));
    CHECK(got.status == 200);
    CHECK(got.content_type == "text/x-shown");
    CHECK(find_header(got.headers, "x-answer") == "yes");
    CHECK(got.body.starts_with("GET /a b=c \n"));
    CHECK(got.body.find("Authorization") == std::string::npos);

    const Response posted =
        client.request("POST", serving.url("/p"), "the body", {{"Content-Type", "a/b"}, {"X-E", ""}});
    CHECK(posted.body.starts_with("POST /p  the body\n"));
    CHECK(posted.body.find("\nContent-Type: a/b\n") != std::string::npos);
    CHECK(posted.body.find("\nX-E: \n") != std::string::npos);
    CHECK(posted.body.find("Expect") == std::string::npos);

    CHECK(client.request("POST", serving.url("/empty")).body.starts_with("POST /empty  \n"));
    CHECK(client.request("PUT", serving.url("/"), "x").status == 405);
    CHECK(client.request("DELETE", serving.url("/")).status == 405);
    CHECK(client.request("GET", serving.url("/missing")).status == 404);
    const Response head = client.request("HEAD", serving.url("/a"));
    CHECK(head.status == 200);
    CHECK(head.body.empty());
    // A GET after all of these carries nothing of them.
    CHECK(client.request("GET", serving.url("/a")).body.starts_with("GET /a  \n"));
}

TEST_CASE("a body with zeros, and a large one") {
    Serving serving([](const Request& request) -> Response { return {200, request.body}; });
    Client client;
    const std::string zeros("a\0b", 3);
    CHECK(client.request("POST", serving.url("/"), zeros).body == zeros);
    const std::string large(1'000'000, 'x');
    CHECK(client.request("POST", serving.url("/"), large).body == large);
}

TEST_CASE("redirects are not followed") {
    Serving serving(show);
    Client client;
    const Response answer = client.request("GET", serving.url("/redirect"));
    CHECK(answer.status == 302);
    CHECK(find_header(answer.headers, "location") == "/elsewhere");
}

TEST_CASE("credentials in the URL become basic authentication") {
    Serving serving(show);
    Client client;
    const std::string port = std::to_string(serving.port());
    // guest:p@ss/wo:rd in base 64
    const std::string answer =
        client.request("GET", "http://guest:p%40ss%2Fwo%3Ard@127.0.0.1:" + port + "/x").body;
    CHECK(answer.find("\nAuthorization: Basic Z3Vlc3Q6cEBzcy93bzpyZA==\n") != std::string::npos);
    CHECK(client.request("GET", serving.url("/x")).body.find("Authorization") == std::string::npos);
}

TEST_CASE("a server that is away, silent or breaks off") {
    Client client;
    int port = 0;
    {
        const Serving gone(show);
        port = gone.port();
    }
    const std::string where = "127.0.0.1:" + std::to_string(port);
    const std::string refused = message_of(client, "http://user:hidden@" + where + "/path?token=hidden");
    CHECK(refused.starts_with("Unavailable: GET http://" + where + "/path: "));
    CHECK(refused.find("hidden") == std::string::npos);
    CHECK(message_of(client, "http://no-such-host.invalid/").starts_with("Unavailable: "));

    Serving slow([](const Request&) -> Response {
        std::this_thread::sleep_for(300ms);
        return {};
    });
    CHECK(message_of(client, slow.url("/"), 50ms).starts_with("Unavailable: "));
}

TEST_CASE("what cannot be asked") {
    Client client;
    CHECK(message_of(client, "not a url").starts_with("Refused: "));
    CHECK(message_of(client, "").starts_with("Refused: "));
    CHECK(message_of(client, "file:///etc/passwd").starts_with("Refused: "));
    CHECK_THROWS_AS(client.request("GET", "http://127.0.0.1:1/", "", {{"X", "a\r\nY: b"}}), outcome::Refused);
    CHECK_THROWS_AS(client.request("GET\r\n", "http://127.0.0.1:1/"), outcome::Refused);
}

TEST_CASE("percent-encoding keeps only what is plain") {
    CHECK(percent_encode("aZ0-._~") == "aZ0-._~");
    CHECK(percent_encode("/ %\xc3\xa9") == "%2F%20%25%C3%A9");
    CHECK(percent_encode(std::string_view("\0", 1)) == "%00");
}
