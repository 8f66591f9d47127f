// The sellers' consumer: takes what stands in their shared queues and writes down what it was.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/amqp/consumer.hpp"

namespace cartwright::load {

struct Listening {
    std::string amqp_url;
    std::size_t queues = 8;  ///< sellers.00 and so on
    std::size_t prefetch = 1'000;
    std::string record_file;  ///< "<message id> <SHA-256 of the body>" a line; empty: nothing is written
};

/// What the consumer is told of each message, on its own thread.
struct Heard {
    std::chrono::steady_clock::time_point at;
    const amqp::Delivery& message;
};

class Listener {
  public:
    Listener(const Listening& listening, std::function<void(const Heard&)> heard);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    /// Returns when it consumes.
    void start();
    /// Acknowledges what came since the last call; to be called every few milliseconds.
    void acknowledge();
    std::uint64_t count() const { return count_; }
    std::chrono::steady_clock::time_point first_at() const { return first_at_; }
    std::chrono::steady_clock::time_point last_at() const { return last_at_; }
    void close();

  private:
    void deliver(amqp::Delivery&& delivery);

    std::function<void(const Heard&)> heard_;
    std::ofstream record_;
    std::mutex mutex_;
    std::vector<amqp::AckToken> tokens_;
    std::atomic<std::uint64_t> count_ = 0;
    std::atomic<std::chrono::steady_clock::time_point> first_at_, last_at_;
    std::unique_ptr<amqp::Consumer> consumer_;
};

/// The order id in the body of a message to a seller; empty if there is none.
std::string_view order_id_in(std::string_view body);

}  // namespace cartwright::load
