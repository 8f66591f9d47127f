#include "tests/load/listener.hpp"

#include <fmt/format.h>

#include <thread>
#include <utility>

#include "common/crypto/digest.hpp"
#include "tests/load/connection.hpp"

namespace cartwright::load {

Listener::Listener(const Listening& listening, std::function<void(const Heard&)> heard)
    : heard_(std::move(heard)) {
    if (!listening.record_file.empty()) record_.open(listening.record_file);
    std::vector<amqp::Subscription> subscriptions;
    for (std::size_t number = 0; number < listening.queues; ++number) {
        amqp::Subscription subscription;
        subscription.queue = fmt::format("sellers.{:02d}", number);
        subscription.prefetch = listening.prefetch;
        subscription.deliver = [this](amqp::Delivery&& delivery) { deliver(std::move(delivery)); };
        subscriptions.push_back(std::move(subscription));
    }
    consumer_ = std::make_unique<amqp::Consumer>(connection_to(listening.amqp_url, "sellers"),
                                                 std::move(subscriptions));
}

Listener::~Listener() {
    close();
}

void Listener::start() {
    consumer_->start();
    while (!consumer_->consuming()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

void Listener::deliver(amqp::Delivery&& delivery) {
    const auto now = std::chrono::steady_clock::now();
    if (count_ == 0) first_at_ = now;
    last_at_ = now;
    heard_({now, delivery});
    if (record_.is_open()) {
        record_ << delivery.message_id << ' ' << crypto::hex(crypto::sha256(delivery.body)) << '\n';
    }
    ++count_;
    const std::lock_guard lock(mutex_);
    tokens_.push_back(delivery.token);
}

void Listener::acknowledge() {
    std::vector<amqp::AckToken> tokens;
    {
        const std::lock_guard lock(mutex_);
        tokens.swap(tokens_);
    }
    if (!tokens.empty()) consumer_->acknowledge(tokens);
}

void Listener::close() {
    if (!consumer_) return;
    consumer_->stop_intake(std::chrono::seconds(2));
    acknowledge();
    consumer_->close();
    consumer_.reset();
    record_.close();
}

std::string_view order_id_in(std::string_view body) {
    constexpr std::string_view key = R"("order_id":")";
    const auto found = body.find(key);
    if (found == std::string_view::npos) return {};
    const auto begin = found + key.size();
    return body.substr(begin, body.find('"', begin) - begin);
}

}  // namespace cartwright::load
