// One subscription's channel, from its opening to its loss and its next opening.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "common/amqp/backoff.hpp"
#include "common/amqp/channel_commands.hpp"
#include "common/amqp/connection_settings.hpp"
#include "common/amqp/consumer.hpp"
#include "common/amqp/statistics.hpp"

namespace cartwright::amqp {

/// Lives on the I/O thread; knows nothing of sockets and takes the time as an argument.
class SubscriptionChannel {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    SubscriptionChannel(std::size_t index, Subscription subscription, const ConnectionSettings& settings,
                        ChannelCommands& commands, Statistics& statistics);

    ChannelNumber number() const { return number_; }

    void connection_opened();
    void connection_lost();
    /// Opens the channel again when its time has come.
    void tick(TimePoint now);
    std::optional<TimePoint> next_due() const;

    // What the broker says.
    void opened();
    void queue_declared(const std::string& name);
    void bound();
    void prefetch_set();
    void consumer_started(const std::string& tag);
    void consumer_cancelled(const std::string& tag);  ///< as we asked
    void cancelled_by_broker(const std::string& tag, TimePoint now);
    void closed_by_broker(const std::string& why, TimePoint now);
    void closed(TimePoint now);  ///< as we asked
    /// Completes the token; false when the delivery is of no use: the channel is being closed.
    bool delivered(Delivery& delivery, TimePoint now);

    /// Drops tokens of earlier openings and tags that are not outstanding. Where nothing before them is
    /// outstanding, one command acknowledges all: to a quorum queue each is an entry of its log.
    void acknowledge(std::span<const AckToken> tokens);
    void acknowledge(const AckToken& token) { acknowledge(std::span(&token, 1)); }
    /// No consumer from now on; acks still work.
    void stop();
    /// After `stop`: the broker sends nothing any more.
    bool stopped() const { return stopping_ && (state_ == State::closed || state_ == State::idle); }

    bool has_channel() const { return state_ != State::closed; }
    bool consuming() const { return state_ == State::consuming || replacing_; }
    /// Why not, for people; empty when consuming.
    const std::string& trouble() const { return trouble_; }
    std::size_t unacknowledged() const { return outstanding_.size(); }
    /// Of bodies.
    std::size_t unacknowledged_bytes() const { return outstanding_bytes_; }
    std::optional<TimePoint> oldest_unacknowledged() const;
    const Subscription& subscription() const { return subscription_; }

  private:
    enum class State {
        closed,
        opening,
        declaring,
        binding,
        setting_prefetch,
        subscribing,
        consuming,
        idle,
        closing
    };

    bool broadcast() const { return !subscription_.broadcast_exchange.empty(); }
    void begin_consuming();
    void widen_when_possible();
    void widen();
    void lost(const std::string& why);
    std::uint16_t prefetch() const { return narrow_ ? std::uint16_t{1} : prefetch_; }

    const std::size_t index_;
    const ChannelNumber number_;
    const Subscription subscription_;
    const std::uint16_t prefetch_;
    ChannelCommands& commands_;
    Statistics& statistics_;

    State state_ = State::closed;
    std::uint64_t generation_ = 0;
    std::string queue_;
    std::uint64_t consumers_ = 0;  ///< consumers begun so far; the last one's number is in its tag
    std::string tag_;
    bool narrow_ = true;
    bool to_widen_ = false;   ///< when the consumer has begun
    bool replacing_ = false;  ///< a consumer that runs, by a wider one
    bool stopping_ = false;
    struct Outstanding {
        TimePoint since;
        std::size_t bytes;
    };
    std::map<std::uint64_t, Outstanding> outstanding_;  ///< delivery tags not acknowledged
    std::size_t outstanding_bytes_ = 0;
    Backoff backoff_;
    std::optional<TimePoint> reopen_at_;
    std::string trouble_ = "not connected";
};

}  // namespace cartwright::amqp
