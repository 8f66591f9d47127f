// JSON in: CloudEvents in structured mode, one or a batch, to typed events.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/message/event.hpp"

namespace cartwright::codec {

struct Limits {
    std::size_t body_bytes_max = 1024 * 1024;
    std::size_t nesting_max = 64;
    std::size_t members_max = 1000;    ///< events in a batch message
    std::size_t movements_max = 1000;  ///< movements in a message
    /// Lines that are decoded at all; a cart with more is `malformed`. (A cart with more lines than the
    /// reserver allows, but no more than this, is rejected and answered.)
    std::size_t lines_decoded_max = 20'000;
};

/// Why something could not be read. `reason` is a code of parking: malformed, body_too_large, unknown_type,
/// unsupported_version. `detail` says what and where ("data.lines[3].quantity: expected an integer, found a
/// string").
struct Problem {
    std::string reason;
    std::string detail;
};

/// One event of a message. `raw` is its JSON text inside the message's body.
struct Decoded {
    std::string_view raw;
    std::variant<message::Event, Problem> content;
};

/// Keeps its buffers between calls; one per thread.
class Decoder {
  public:
    explicit Decoder(Limits limits);
    ~Decoder();
    Decoder(Decoder&&) noexcept;
    Decoder& operator=(Decoder&&) noexcept;

    /// Reads a message's body. A single event is one element; a batch (a JSON array) one per member: a bad
    /// member does not spoil its neighbours. A body that can't be split at all is one element with a Problem.
    /// The result points into `body`. The whole text is validated, also fields that nobody reads.
    std::vector<Decoded> decode(std::string_view body);

    /// Reads the `data` object of a stored answer of the given event type.
    std::variant<message::Payload, Problem> decode_data(std::string_view type, std::string_view data);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::codec
