// A blocking HTTP client for management interfaces.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "common/http/message.hpp"

namespace cartwright::http {

/// A longer answer is refused.
inline constexpr std::size_t answer_bytes_max = 67'108'864;

/// One thread at a time. Keeps its connection for the next request.
class Client {
  public:
    Client();
    ~Client();
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;

    /// `url` is http or https and may carry credentials (http://user:password@host:port/path,
    /// percent-encoded), which become basic authentication. Redirects are not followed, any status is an
    /// answer. Throws outcome::Unavailable when the server cannot be reached or did not answer in time,
    /// outcome::Refused when the URL or the answer is unusable; neither text contains credentials.
    Response request(const std::string& method, const std::string& url, const std::string& body = {},
                     const Headers& headers = {},
                     std::chrono::milliseconds timeout = std::chrono::seconds(10));

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Every byte but letters, digits and -._~ as %XX, so that the text can be one segment of a path or a query
/// value.
std::string percent_encode(std::string_view text);

}  // namespace cartwright::http
