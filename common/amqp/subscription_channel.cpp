#include "common/amqp/subscription_channel.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::amqp {
namespace {

/// Given back at most so often, a message is no suspect: a connection may have been cut.
constexpr std::int64_t innocent_delivery_count = 1;

std::uint16_t as_prefetch(std::size_t wanted) {
    return static_cast<std::uint16_t>(
        std::clamp<std::size_t>(wanted, 1, std::numeric_limits<std::uint16_t>::max()));
}

}  // namespace

SubscriptionChannel::SubscriptionChannel(std::size_t index, Subscription subscription,
                                         const ConnectionSettings& settings, ChannelCommands& commands,
                                         Statistics& statistics)
    : index_(index),
      number_(static_cast<ChannelNumber>(index + 1)),
      subscription_(std::move(subscription)),
      prefetch_(as_prefetch(subscription_.prefetch)),
      commands_(commands),
      statistics_(statistics),
      queue_(subscription_.queue),
      backoff_(settings.reconnect_delay_min, settings.reconnect_delay_max) {
    CARTWRIGHT_ASSERT(subscription_.queue.empty() != subscription_.broadcast_exchange.empty());
    CARTWRIGHT_ASSERT(subscription_.deliver);
}

void SubscriptionChannel::connection_opened() {
    CARTWRIGHT_ASSERT(state_ == State::closed);
    if (stopping_) return;
    reopen_at_.reset();
    ++generation_;
    narrow_ = true;
    to_widen_ = false;
    state_ = State::opening;
    trouble_ = "subscribing";
    commands_.open(number_);
}

void SubscriptionChannel::opened() {
    if (state_ != State::opening) return;
    if (stopping_) {
        state_ = State::idle;
    } else if (broadcast()) {
        state_ = State::declaring;
        commands_.declare_own_queue(number_);
    } else {
        state_ = State::setting_prefetch;
        commands_.set_prefetch(number_, prefetch());
    }
}

void SubscriptionChannel::queue_declared(const std::string& name) {
    if (state_ != State::declaring) return;
    queue_ = name;
    state_ = State::binding;
    commands_.bind(number_, queue_, subscription_.broadcast_exchange);
}

void SubscriptionChannel::bound() {
    if (state_ != State::binding) return;
    // Only now is nothing missed any more: what was learnt before may be out of date.
    subscription_.reset();
    begin_consuming();
}

void SubscriptionChannel::prefetch_set() {
    if (state_ == State::setting_prefetch) begin_consuming();
}

void SubscriptionChannel::begin_consuming() {
    if (stopping_) {
        state_ = State::idle;
        return;
    }
    state_ = State::subscribing;
    tag_ = fmt::format("{}.{}.{}", index_, generation_, ++consumers_);
    commands_.consume(number_, queue_, tag_, !broadcast());
}

void SubscriptionChannel::consumer_started(const std::string& tag) {
    if (state_ != State::subscribing || tag != tag_) return;
    state_ = State::consuming;
    replacing_ = false;
    trouble_.clear();
    backoff_.reset();
    if (stopping_) {
        commands_.cancel(number_, tag_);
    } else if (to_widen_) {
        widen();
    }
}

/// A broker that is told to cancel a consumer before it has said that it runs may close the connection
/// (RabbitMQ 3.10 does, with 541): nothing is cancelled before.
void SubscriptionChannel::widen_when_possible() {
    if (!narrow_ || prefetch_ == 1 || stopping_) return;
    if (state_ == State::consuming) widen();
    if (state_ == State::subscribing && narrow_) to_widen_ = true;
}

/// The running consumer keeps its prefetch whatever basic.qos says, so it is replaced. What it was sent stays
/// valid: tags belong to the channel.
void SubscriptionChannel::widen() {
    narrow_ = false;
    to_widen_ = false;
    replacing_ = true;
    state_ = State::subscribing;
    commands_.cancel(number_, tag_);
    commands_.set_prefetch(number_, prefetch());
    tag_ = fmt::format("{}.{}.{}", index_, generation_, ++consumers_);
    commands_.consume(number_, queue_, tag_, true);
}

bool SubscriptionChannel::delivered(Delivery& delivery, TimePoint now) {
    if (state_ == State::closed || state_ == State::closing) return false;
    delivery.token.subscription = index_;
    delivery.token.generation = generation_;
    delivery.queue = queue_;
    ++statistics_.delivered;
    if (broadcast()) return true;
    outstanding_.emplace(delivery.token.tag, Outstanding{now, delivery.body.size()});
    outstanding_bytes_ += delivery.body.size();
    if (delivery.delivery_count <= innocent_delivery_count) widen_when_possible();
    return true;
}

void SubscriptionChannel::acknowledge(std::span<const AckToken> tokens) {
    std::vector<std::uint64_t> tags;
    for (const auto& token : tokens) {
        const auto found =
            token.generation == generation_ ? outstanding_.find(token.tag) : outstanding_.end();
        if (found == outstanding_.end()) {
            ++statistics_.stale_acks;
            continue;
        }
        outstanding_bytes_ -= found->second.bytes;
        outstanding_.erase(found);
        tags.push_back(token.tag);
    }
    if (tags.empty()) return;
    std::sort(tags.begin(), tags.end());
    const auto begin_of_rest = outstanding_.empty()
                                   ? tags.end()
                                   : std::lower_bound(tags.begin(), tags.end(), outstanding_.begin()->first);
    auto next = tags.begin();
    if (begin_of_rest - tags.begin() > 1) {
        commands_.acknowledge_up_to(number_, *std::prev(begin_of_rest));
        next = begin_of_rest;
    }
    for (; next != tags.end(); ++next) commands_.acknowledge(number_, *next);
    statistics_.acked += tags.size();
    // Whoever acknowledges has outlived it.
    widen_when_possible();
}

void SubscriptionChannel::stop() {
    if (stopping_) return;
    stopping_ = true;
    reopen_at_.reset();
    trouble_ = "stopped";
    replacing_ = false;
    if (state_ == State::consuming) commands_.cancel(number_, tag_);
}

void SubscriptionChannel::consumer_cancelled(const std::string& tag) {
    if (stopping_ && tag == tag_) state_ = State::idle;
}

void SubscriptionChannel::cancelled_by_broker(const std::string& tag, TimePoint now) {
    if (tag != tag_ || (state_ != State::consuming && state_ != State::subscribing)) return;
    if (stopping_) {
        state_ = State::idle;
        return;
    }
    log::warn("consumer_cancelled_by_broker", {{"queue", queue_}});
    ++statistics_.channels_reopened;
    commands_.close(number_);
    lost(fmt::format("queue {}: consumer cancelled by the broker", queue_));
    state_ = State::closing;
    reopen_at_ = now + backoff_.next();
}

void SubscriptionChannel::closed_by_broker(const std::string& why, TimePoint now) {
    if (state_ == State::closed) return;
    commands_.confirm_closed(number_);
    const bool asked_for = state_ == State::closing;
    state_ = State::closed;
    if (asked_for) return;
    const auto& name = broadcast() ? subscription_.broadcast_exchange : queue_;
    if (trouble_ != fmt::format("{}: {}", name, why))
        log::warn("channel_closed_by_broker", {{"of", name}, {"why", why}});
    ++statistics_.channels_reopened;
    lost(fmt::format("{}: {}", name, why));
    if (!stopping_) reopen_at_ = now + backoff_.next();
}

void SubscriptionChannel::closed(TimePoint now) {
    if (state_ != State::closing) return;
    state_ = State::closed;
    tick(now);
}

void SubscriptionChannel::connection_lost() {
    reopen_at_.reset();
    if (state_ == State::closed) return;
    state_ = State::closed;
    lost("not connected");
}

/// From here on the broker gives what was outstanding to somebody else.
void SubscriptionChannel::lost(const std::string& why) {
    trouble_ = why;
    replacing_ = false;
    outstanding_.clear();
    outstanding_bytes_ = 0;
    ++generation_;
    if (!broadcast()) subscription_.reset();
}

void SubscriptionChannel::tick(TimePoint now) {
    if (state_ == State::closed && reopen_at_ && now >= *reopen_at_) {
        const auto why = std::move(trouble_);
        connection_opened();
        trouble_ = why;  // until it consumes, what was wrong last is the best answer
    }
}

std::optional<SubscriptionChannel::TimePoint> SubscriptionChannel::next_due() const {
    return state_ == State::closed ? reopen_at_ : std::nullopt;
}

std::optional<SubscriptionChannel::TimePoint> SubscriptionChannel::oldest_unacknowledged() const {
    if (outstanding_.empty()) return std::nullopt;
    return outstanding_.begin()->second.since;
}

}  // namespace cartwright::amqp
