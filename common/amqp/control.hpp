// A small blocking connection for questions and for the operator's work: passive declares, get, publish one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/amqp/connection_settings.hpp"
#include "common/amqp/message.hpp"

namespace cartwright::amqp {

/// One thread at a time. Every call connects when it is not connected and throws outcome::Unavailable when
/// the broker is away; a channel that the broker closed is opened again by the next call.
class Control {
  public:
    explicit Control(ConnectionSettings settings);
    ~Control();
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    /// Passive declare: sees existence, nothing else.
    bool exchange_exists(const std::string& exchange);
    /// Ready messages of a queue; nothing when there is no such queue.
    std::optional<std::uint64_t> queue_depth(const std::string& queue);
    /// Declares a seller's own queue: durable, quorum, with a delivery limit out of reach; binds it to
    /// `sellers` under its name. Fine when it is there already; throws outcome::Refused when the broker does
    /// not allow it, or has another one of that name.
    void declare_seller_queue(const std::string& queue);
    /// basic.get without ack: the message stays unacknowledged until acknowledge or close.
    std::optional<Delivery> get(const std::string& queue);
    void acknowledge(const AckToken& token);
    /// Publishes with confirm; the text of the trouble when it is returned or nacked.
    std::optional<std::string> publish(const Outgoing& message);
    /// Gives back everything that was got and not acknowledged.
    void close();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::amqp
