#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "common/amqp/consumer.hpp"
#include "common/amqp/publisher.hpp"
#include "tests/load/ceilings.hpp"
#include "tests/load/connection.hpp"

namespace cartwright::load {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t batch_max = 200;
constexpr const char* in_queue = "load.in";
constexpr const char* out_queue = "load.out";

amqp::Outgoing message(const char* queue, std::size_t bytes) {
    amqp::Outgoing message;
    message.routing_key = queue;  // of the default exchange
    message.body.assign(bytes, 'x');
    return message;
}

/// One stage: batches of what has arrived, as a worker makes them.
class Stage {
  public:
    Stage(const std::string& url, std::size_t message_bytes)
        : message_(message(out_queue, message_bytes)),
          publisher_(connection_to(url, "out"), {}),
          consumer_(connection_to(url, "in"), {subscription()}) {
        publisher_.start();
        while (!publisher_.connected()) std::this_thread::sleep_for(milliseconds(1));
    }
    ~Stage() {
        consumer_.close();
        publisher_.close();
    }
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    /// From the first delivery to the last confirm.
    double run(std::uint64_t carts) {
        consumer_.start();
        auto tokens = next();
        const auto begun_at = std::chrono::steady_clock::now();
        for (auto left = carts - tokens.size(); left > 0; left -= tokens.size()) {
            pass_on(std::move(tokens));
            tokens = next();
        }
        pass_on(std::move(tokens));
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return done_ >= carts; });
        return static_cast<double>(carts) /
               std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_at).count();
    }

  private:
    amqp::Subscription subscription() {
        amqp::Subscription subscription;
        subscription.queue = in_queue;
        subscription.prefetch = 3 * batch_max;
        subscription.deliver = [this](amqp::Delivery&& delivery) {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(delivery.token);
            changed_.notify_one();
        };
        return subscription;
    }

    std::vector<amqp::AckToken> next() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !waiting_.empty(); });
        const auto count = std::min(waiting_.size(), batch_max);
        const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
        std::vector<amqp::AckToken> tokens(waiting_.begin(), end);
        waiting_.erase(waiting_.begin(), end);
        return tokens;
    }

    void pass_on(std::vector<amqp::AckToken> tokens) {
        std::vector<amqp::Outgoing> messages(2 * tokens.size(), message_);
        publisher_.publish(std::move(messages), [this, tokens = std::move(tokens)] {
            consumer_.acknowledge(tokens);
            const std::lock_guard lock(mutex_);
            done_ += tokens.size();
            changed_.notify_one();
        });
    }

    amqp::Outgoing message_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<amqp::AckToken> waiting_;
    std::uint64_t done_ = 0;
    amqp::Publisher publisher_;
    amqp::Consumer consumer_;
};

void fill(const std::string& url, std::uint64_t carts, std::size_t bytes) {
    amqp::Publisher publisher(connection_to(url, "filler"), {});
    publisher.start();
    std::atomic<std::uint64_t> unconfirmed = 0;
    for (std::uint64_t sent = 0; sent < carts; sent += 100) {
        while (unconfirmed > 2'000) std::this_thread::sleep_for(milliseconds(1));
        unconfirmed += 100;
        publisher.publish(std::vector<amqp::Outgoing>(100, message(in_queue, bytes)),
                          [&] { unconfirmed -= 100; });
    }
    while (unconfirmed > 0) std::this_thread::sleep_for(milliseconds(1));
    publisher.close();
}

}  // namespace

double broker_ceiling(const std::string& amqp_url, std::uint64_t carts, std::size_t cart_bytes,
                      std::size_t message_bytes) {
    carts = (carts + 99) / 100 * 100;
    fill(amqp_url, carts, cart_bytes);
    return Stage(amqp_url, message_bytes).run(carts);
}

}  // namespace cartwright::load
