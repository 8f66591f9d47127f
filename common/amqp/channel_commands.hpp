// What a subscription says to the broker. The connection implements it; tests have their own.
#pragma once

#include <cstdint>
#include <string>

namespace cartwright::amqp {

using ChannelNumber = std::uint16_t;

/// Every call only sends; the answers arrive as frames. Throws outcome::Unavailable when the connection is
/// lost.
class ChannelCommands {
  public:
    virtual ~ChannelCommands() = default;
    virtual void open(ChannelNumber channel) = 0;
    virtual void close(ChannelNumber channel) = 0;
    virtual void confirm_closed(ChannelNumber channel) = 0;
    /// A queue of this connection's own, exclusive and named by the broker.
    virtual void declare_own_queue(ChannelNumber channel) = 0;
    virtual void bind(ChannelNumber channel, const std::string& queue, const std::string& exchange) = 0;
    virtual void set_prefetch(ChannelNumber channel, std::uint16_t prefetch) = 0;
    virtual void consume(ChannelNumber channel, const std::string& queue, const std::string& tag,
                         bool needs_ack) = 0;
    virtual void cancel(ChannelNumber channel, const std::string& tag) = 0;
    virtual void acknowledge(ChannelNumber channel, std::uint64_t delivery_tag) = 0;
    /// This one and all before it that are outstanding on the channel.
    virtual void acknowledge_up_to(ChannelNumber channel, std::uint64_t delivery_tag) = 0;
};

}  // namespace cartwright::amqp
