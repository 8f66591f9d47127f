// A small HTTP/1.1 server for health, metrics and short posts.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "common/http/message.hpp"

struct uv_loop_s;

namespace cartwright::http {

struct ServerLimits {
    std::size_t connections_max = 256;                 ///< one more is answered 503 and closed
    std::size_t header_bytes_max = 16'384;             ///< request line and headers; more is answered 431
    std::size_t body_bytes_max = 1'048'576;            ///< more is answered 413
    std::chrono::milliseconds idle_limit{30'000};      ///< without a byte either way the connection is closed
    std::chrono::milliseconds exchange_limit{60'000};  ///< from a request's first byte to its answer's last
};

using RequestHandler = std::function<Response(const Request&)>;

/// Runs on the loop's thread, which also makes and destroys it. The handler is called there, one request at a
/// time, and must not block; what it throws is answered with 500. Keep-alive and pipelining (answers in
/// order); methods other than GET, HEAD and POST are answered 405, what is not HTTP 400, without the handler;
/// 404 is the handler's.
class Server {
  public:
    struct State;

    /// `address` is a literal (127.0.0.1, ::1, 0.0.0.0); port 0 takes any free one. Throws
    /// outcome::StartupError when it cannot listen.
    Server(uv_loop_s* loop, const std::string& address, int port, RequestHandler handler,
           ServerLimits limits = {});
    /// Stops listening and closes every connection; the loop must still turn once, or be destroyed,
    /// afterwards.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    int port() const;
    std::size_t connections() const;

  private:
    State* state_;  ///< outlives the server until the loop has closed its handles
};

}  // namespace cartwright::http
