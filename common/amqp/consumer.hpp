// One connection with one I/O thread that consumes any number of queues, one channel each, and acknowledges.
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

struct Subscription {
    std::string queue;  ///< a declared queue; empty with `broadcast_exchange`
    /// An exclusive, auto-deleted classic queue of this process's own, bound to the fanout exchange; its
    /// deliveries need no ack.
    std::string broadcast_exchange;
    /// Deliveries not acknowledged at once; one more may be under way when the subscription has just widened.
    std::size_t prefetch = 1;
    /// Called on the I/O thread for each delivery; must be quick and must not throw.
    std::function<void(Delivery&&)> deliver;
    /// Called on the I/O thread when the channel was lost: what was delivered before and is not yet begun
    /// should be dropped, the broker gives it again. With `broadcast_exchange`: called at each opening, once
    /// the queue is bound and before its first delivery, so that what was learnt before can be forgotten.
    std::function<void()> reset = [] {};
};

/// Begins every subscription with prefetch 1 and widens it (cancel, qos, consume) at the first delivery whose
/// delivery count is 0 or 1, or when the first is acknowledged, so that a message that kills the process at
/// once does not charge its neighbours with it. Reconnects with backoff for as long as it lives; reopens a
/// channel that the broker closed (404, 406, time-out) and a consumer that the broker cancelled.
class Consumer {
  public:
    Consumer(ConnectionSettings settings, std::vector<Subscription> subscriptions);
    ~Consumer();
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;

    void start();
    /// Any thread. Tokens of earlier generations are dropped. Never acknowledges a tag that was not named.
    void acknowledge(std::span<const AckToken> tokens);
    /// Any thread but the I/O thread. Cancels the consumers; deliveries that are under way may still arrive
    /// until it returns (after at most `deadline`), none does afterwards. Acks still work for as long as the
    /// connection lasts; a lost one is not opened again.
    void stop_intake(std::chrono::milliseconds deadline);
    /// Sends what acks are queued, closes the channels and the connection, joins the thread. Takes a few
    /// seconds at most when the broker does not answer, or the connect time-out when it is just being
    /// connected to.
    void close();
    /// True while every subscription is consuming.
    bool consuming() const;
    /// Why not, for people; empty when consuming.
    std::string trouble() const;
    const Statistics& statistics() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::amqp
