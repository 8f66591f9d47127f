// The three kinds of trouble. Permanent trouble is a value (see verdict.hpp), transient trouble is one of
// these exceptions, a bug ends the process.
#pragma once

#include <stdexcept>
#include <string>

namespace cartwright::outcome {

/// Transient: the same work may succeed when it is simply run again (deadlock, serialization failure).
struct Retry : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Transient: a server is away or read-only. The lane pauses, reconnects and runs the work again;
/// no attempt is charged to any message.
struct Unavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Permanent, found by a server (a constraint, a value that it cannot store). The batch is run again member
/// by member; the member that fails alone is parked with this text.
struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Something the process cannot start with (configuration, schema version, topology version): the message
/// says what, where and what to do. Printed once by `worker::run`, which exits 1.
struct StartupError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Prints and aborts: the broker redelivers what was not acknowledged.
[[noreturn]] void die_of_bug(const char* expression, const char* file, int line);

}  // namespace cartwright::outcome

#define CARTWRIGHT_ASSERT(expression) \
    ((expression) ? static_cast<void>(0) : ::cartwright::outcome::die_of_bug(#expression, __FILE__, __LINE__))
