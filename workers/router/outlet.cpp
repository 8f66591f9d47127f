#include "workers/router/outlet.hpp"

#include <utility>

namespace cartwright::router {

BrokerOutlet::BrokerOutlet(amqp::Publisher& publisher, std::unique_ptr<amqp::Control> control)
    : publisher_(publisher), control_(std::move(control)) {}

std::vector<amqp::Confirm> BrokerOutlet::publish(std::span<const amqp::Outgoing> messages,
                                                 std::chrono::milliseconds deadline) {
    return publisher_.publish_in_order(messages, deadline);
}

std::string BrokerOutlet::trouble() const {
    if (!publisher_.connected()) return "not connected to the broker";
    return publisher_.blocked() ? "the broker has blocked publishing (memory or disk alarm)" : "";
}

std::optional<std::uint64_t> BrokerOutlet::depth(const std::string& queue) {
    return control_->queue_depth(queue);
}

void BrokerOutlet::declare(const std::string& queue) {
    control_->declare_seller_queue(queue);
}

}  // namespace cartwright::router
