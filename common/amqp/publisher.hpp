// One connection with one I/O thread that publishes with confirms.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/amqp/connection_settings.hpp"
#include "common/amqp/message.hpp"
#include "common/amqp/statistics.hpp"

namespace cartwright::amqp {

struct PublisherLimits {
    std::size_t window_messages_max = 2'000;  ///< unconfirmed at once
    std::size_t window_bytes_max = 16 * 1024 * 1024;
    std::chrono::milliseconds retry_delay_min{50};  ///< after a nack or a return
    std::chrono::milliseconds retry_delay_max{5'000};
    /// Best-effort messages not confirmed by then are counted and forgotten.
    std::chrono::milliseconds best_effort_timeout{10'000};
};

/// What became of one message of `publish_in_order`.
enum class Confirm {
    accepted,
    refused,   ///< nacked
    returned,  ///< no queue takes it
    unknown,   ///< connection lost, or no answer in time: it may or may not be there
    unsent,    ///< not published at all
};

class Publisher {
  public:
    Publisher(ConnectionSettings settings, PublisherLimits limits);
    ~Publisher();
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;

    void start();

    /// Any thread. Publishes all; a nacked or returned message with Effort::confirmed is published again,
    /// with backoff, for as long as it takes, as is everything unconfirmed after a reconnect. `on_confirmed`
    /// is called once on the I/O thread when every such message is confirmed, at once when there is none;
    /// best-effort ones are not waited for. It may publish, and must not wait. What `close` finds unconfirmed
    /// is dropped without calling it. How much is under way is bounded by how many batches the callers have
    /// waiting for their confirms. Throws outcome::Refused when AMQP has no room for a property (texts of 255
    /// bytes, headers of 120 KiB); then nothing is published. A best-effort message like that is lost and
    /// counted.
    void publish(std::vector<Outgoing> messages, std::function<void()> on_confirmed);

    /// A lane's thread. Publishes each message once, in order, all in flight together, and waits for the
    /// answers until `deadline`. Repeats nothing. Returns one answer a message, same order. When the
    /// connection is not there, all are `unsent`; what is not sent when `deadline` comes, or when the channel
    /// is lost, never will be. The effort is of no account here. Throws outcome::Refused as `publish` does.
    std::vector<Confirm> publish_in_order(std::span<const Outgoing> messages,
                                          std::chrono::milliseconds deadline);

    /// Waits until nothing is unconfirmed, at most `deadline`; true when so.
    bool drain(std::chrono::milliseconds deadline);
    /// Closes the connection and joins the thread: within a few seconds when the broker does not answer, or
    /// the connect time-out when it is just being connected to. What is published later is dropped.
    void close();

    bool connected() const;
    /// Waits until connected, at most `patience`; true when so.
    bool wait_connected(std::chrono::milliseconds patience) const;
    /// connection.blocked is in force (memory or disk alarm).
    bool blocked() const;
    /// Why messages wait, for people ("exchange orders: returned, no queue bound"); empty when they do not.
    std::string trouble() const;
    const Statistics& statistics() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::amqp
