// What a test's subscription was given.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "common/amqp/consumer.hpp"

namespace cartwright::amqp::tests {

class Received {
  public:
    Subscription subscription(const std::string& queue, std::size_t prefetch) {
        Subscription made;
        made.queue = queue;
        made.prefetch = prefetch;
        made.deliver = [this](Delivery&& delivery) {
            const std::lock_guard lock(mutex_);
            deliveries_.push_back(std::move(delivery));
        };
        made.reset = [this] { ++resets; };
        return made;
    }

    std::size_t count() const {
        const std::lock_guard lock(mutex_);
        return deliveries_.size();
    }
    std::vector<Delivery> all() const {
        const std::lock_guard lock(mutex_);
        return deliveries_;
    }
    Delivery at(std::size_t index) const {
        const std::lock_guard lock(mutex_);
        return deliveries_.at(index);
    }
    std::vector<AckToken> tokens() const {
        const std::lock_guard lock(mutex_);
        std::vector<AckToken> tokens;
        for (const auto& delivery : deliveries_) tokens.push_back(delivery.token);
        return tokens;
    }
    std::vector<std::string> bodies() const {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> bodies;
        for (const auto& delivery : deliveries_) bodies.push_back(delivery.body);
        return bodies;
    }

    std::atomic<int> resets = 0;

  private:
    mutable std::mutex mutex_;
    std::vector<Delivery> deliveries_;
};

inline std::vector<std::string> numbered(std::size_t count) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) texts.push_back("m" + std::to_string(i));
    return texts;
}

}  // namespace cartwright::amqp::tests
