// Many HTTP calls at once on one thread, to servers that are not trusted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/http/message.hpp"

namespace cartwright::http {

struct Call {
    std::string url;  ///< https, or http where private addresses are allowed
    std::string body;
    Headers headers;
    std::chrono::milliseconds connect_timeout{3'000};  ///< resolving, connecting, TLS
    std::chrono::milliseconds total_timeout{10'000};
    std::size_t answer_bytes_max = 65'536;  ///< what comes beyond it is cut off and is no trouble
    std::string ca_file;                    ///< trusted instead of the system's authorities; empty: those
    bool private_addresses = false;  ///< may the name resolve to loopback, link-local or private addresses?
};

enum class CallEnd {
    answered,  ///< a whole answer, or as much of its body as is allowed
    unsent,    ///< it certainly did not arrive: not resolved, connected or trusted, or an address not allowed
    unknown,   ///< it may have arrived: cut, or no answer in time
};

struct CallResult {
    std::uint64_t id = 0;
    CallEnd end = CallEnd::unknown;
    int status = 0;  ///< of an answer
    std::optional<std::chrono::milliseconds>
        retry_after;      ///< of an answer: seconds or a date from now; more than 0, up to a day
    std::string trouble;  ///< for people: host, what happened, an answer's first bytes, as valid UTF-8
                          ///< without credentials; empty for 2xx
};

/// POSTs with keep-alive, TLS verified, no redirects followed, no cookies, no proxy from the environment.
/// One thread for everything but `wake`.
class Caller {
  public:
    /// `connections_max`: kept open, in all.
    explicit Caller(std::size_t connections_max);
    ~Caller();
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    /// Begins a call; its result comes from `run` under this id.
    void start(std::uint64_t id, Call call);
    /// Drives the calls until one has ended, `wake` was called, or the time is over; may return earlier, with
    /// nothing.
    std::vector<CallResult> run(std::chrono::milliseconds wait_max);
    std::size_t in_flight() const;
    /// Any thread: `run` returns soon, the running or else the next one.
    void wake();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::http
