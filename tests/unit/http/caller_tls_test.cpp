// Whom a caller trusts.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "raw_server.hpp"

using namespace raw_server;
namespace files = std::filesystem;

namespace {

/// An authority, another that nobody trusts, and what the first one certified.
struct Certificates {
    files::path folder = files::temp_directory_path() / ("caller-tls-" + std::to_string(getpid()));

    Certificates() {
        files::create_directories(folder);
        make("authority", "-subj /CN=authority");
        make("stranger", "-subj /CN=stranger");
        make("localhost",
             "-subj /CN=localhost -addext subjectAltName=DNS:localhost "
             "-addext basicConstraints=critical,CA:FALSE -CA authority.pem -CAkey authority.key");
    }
    ~Certificates() { files::remove_all(folder); }
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;

    std::string file(const std::string& name) const { return (folder / name).string(); }

  private:
    void make(const std::string& name, const std::string& wanted) const {
        const auto command =
            "cd '" + folder.string() +
            "' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 " + wanted +
            " -out " + name + ".pem -keyout " + name + ".key 2>log || { cat log; false; }";
        REQUIRE(std::system(command.c_str()) == 0);
    }
};

/// Answers 200; at /count 500 with the number of requests until then.
constexpr const char* program = R"(
import http.server, os, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = str(Handler.count).encode() if self.path == "/count" else b""
        Handler.count += self.path != "/count"
        self.send_response(500 if body else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:])
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(server.server_port, flush=True)
server.serve_forever()
)";

class TlsServer {
  public:
    TlsServer(const std::string& certificate, const std::string& key) {
        std::array<int, 2> input{}, output{};
        REQUIRE(pipe2(input.data(), O_CLOEXEC) == 0);
        REQUIRE(pipe2(output.data(), O_CLOEXEC) == 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, input[0], 0);
        posix_spawn_file_actions_adddup2(&actions, output[1], 1);
        std::array<const char*, 6> arguments{"python3",           "-c",        program,
                                             certificate.c_str(), key.c_str(), nullptr};
        REQUIRE(posix_spawn(&process_, "/usr/bin/python3", &actions, nullptr,
                            const_cast<char* const*>(arguments.data()), environ) == 0);
        posix_spawn_file_actions_destroy(&actions);
        close(input[0]);
        close(output[1]);
        until_closed_ = input[1];
        for (char c = 0; read(output[0], &c, 1) == 1 && c != '\n';) port_ += c;
        close(output[0]);
        REQUIRE_FALSE(port_.empty());
    }
    ~TlsServer() {
        close(until_closed_);
        waitpid(process_, nullptr, 0);
    }
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;
    std::string url(const std::string& host, const std::string& path = "/") const {
        return "https://" + host + ":" + port_ + path;
    }

  private:
    pid_t process_ = -1;
    int until_closed_ = -1;
    std::string port_;
};

Call trusting(const std::string& url, const std::string& ca_file) {
    auto call = to(url);
    call.ca_file = ca_file;
    return call;
}

bool says(const CallResult& result, const char* text) {
    return result.trouble.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("only who has a certificate of an authority that is trusted, for this host, gets anything") {
    const Certificates certificates;
    const auto authority = certificates.file("authority.pem");
    const TlsServer server(certificates.file("localhost.pem"), certificates.file("localhost.key"));
    Caller caller(10);
    const auto requests = [&](const char* count) {
        return says(one(caller, trusting(server.url("localhost", "/count"), authority)), count);
    };

    SUBCASE("the destination's own authority") {
        CHECK(one(caller, trusting(server.url("localhost"), authority)).status == 200);
        CHECK(requests("answered 500: 1"));
    }
    SUBCASE("the system's authorities do not know it") {
        const auto result = one(caller, trusting(server.url("localhost"), ""));
        CHECK(result.end == CallEnd::unsent);
        CHECK(says(result, "certificate"));
        CHECK(requests("answered 500: 0"));
    }
    SUBCASE("another authority, also when there is a kept connection under the right one") {
        CHECK(one(caller, trusting(server.url("localhost"), authority)).status == 200);
        const auto result = one(caller, trusting(server.url("localhost"), certificates.file("stranger.pem")));
        CHECK(result.end == CallEnd::unsent);
        CHECK(says(result, "certificate"));
        CHECK(requests("answered 500: 1"));
    }
    SUBCASE("another host's certificate") {
        const auto result = one(caller, trusting(server.url("127.0.0.1"), authority));
        CHECK(result.end == CallEnd::unsent);
        CHECK(requests("answered 500: 0"));
    }
    SUBCASE("a file of authorities that is not there, or holds none") {
        for (const auto* file : {"none.pem", "authority.key"}) {
            const auto result = one(caller, trusting(server.url("localhost"), certificates.file(file)));
            CHECK(result.end == CallEnd::unsent);
            CHECK_FALSE(result.trouble.empty());
        }
        CHECK(requests("answered 500: 0"));
    }
    SUBCASE("plain http where TLS is spoken") {
        const auto url = "http" + server.url("localhost").substr(5);
        CHECK(one(caller, to(url)).end != CallEnd::answered);
        CHECK(requests("answered 500: 0"));
    }
    SUBCASE("a kept connection to a private address is not for a call that may not go there") {
        CHECK(one(caller, trusting(server.url("localhost"), authority)).status == 200);
        auto call = trusting(server.url("localhost"), authority);
        call.private_addresses = false;
        const auto result = one(caller, call);
        CHECK(result.end == CallEnd::unsent);
        CHECK(says(result, "private address"));
        CHECK(requests("answered 500: 1"));
    }
}
