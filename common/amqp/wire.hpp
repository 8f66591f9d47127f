// Between our messages and the client library's structures. Included by this module's sources only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <amqp.h>
#include <amqp_framing.h>

#include "common/amqp/message.hpp"

namespace cartwright::amqp {

amqp_bytes_t bytes_of(std::string_view text);
std::string text_of(const amqp_bytes_t& bytes);

/// Properties that refer to the message they were made from.
class Properties {
  public:
    explicit Properties(const Outgoing& message);
    Properties(const Properties&) = delete;
    Properties& operator=(const Properties&) = delete;
    const amqp_basic_properties_t* get() const { return &properties_; }

  private:
    /// What decoded values refer to.
    struct Pool {
        amqp_pool_t pool{};
        Pool() { init_amqp_pool(&pool, 4096); }
        ~Pool() { empty_amqp_pool(&pool); }
        Pool(const Pool&) = delete;
        Pool& operator=(const Pool&) = delete;
    };

    amqp_field_value_t field_of(const HeaderValue& value);

    amqp_basic_properties_t properties_{};
    std::vector<amqp_table_entry_t> entries_;
    std::optional<Pool> pool_;
};

/// Why AMQP has no room for the message's properties; nothing when it has.
std::optional<std::string> unencodable(const Outgoing& message);

/// A message that the broker sent, whole.
struct Arrival {
    enum class Kind { delivered, returned, got };
    Kind kind = Kind::delivered;
    std::string consumer_tag;
    Delivery delivery;  ///< its token has the tag only; queue is empty
    std::string why;    ///< returned: the broker's text
};

/// Puts the frames of one channel together. Copies, so that the library's buffers may be released after each
/// frame.
class Assembler {
  public:
    /// True when the frame belonged to a message.
    bool feed(const amqp_frame_t& frame);
    /// The message that the last frame completed.
    std::optional<Arrival> take();
    /// Forgets what is half there: the channel is gone.
    void reset();

  private:
    bool begin(const amqp_method_t& method);
    void read_properties(const amqp_basic_properties_t& properties);

    Arrival arrival_;
    std::uint64_t body_bytes_ = 0;
    bool begun_ = false;
    bool complete_ = false;
};

}  // namespace cartwright::amqp
