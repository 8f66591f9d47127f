// What the server's error numbers mean to whoever asked.
#pragma once

#include <stdexcept>
#include <string>

namespace cartwright::catalogue {

enum class Trouble {
    retry,          ///< rolled back: the same statement may succeed at once
    unavailable,    ///< the server, or the way to it, is not there now
    misconfigured,  ///< tables, rights or the account are not as they must be: no statement's own fault
    refused,        ///< about this very statement
};

Trouble classify(unsigned error_number);

/// What a Connection throws. Whoever uses it translates it with `rethrow`.
struct ServerError : std::runtime_error {
    ServerError(unsigned error_number, const std::string& text);
    unsigned number;
    Trouble trouble;
};

/// Throws outcome::Retry, Unavailable or Refused. `misconfigured` says what is thrown for that.
[[noreturn]] void rethrow(const ServerError& error, Trouble misconfigured);

}  // namespace cartwright::catalogue
