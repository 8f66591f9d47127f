// How fast: run with --no-skip --test-case='rate*'.
#include <atomic>
#include <condition_variable>

#include <doctest/doctest.h>

#include "common/amqp/consumer.hpp"
#include "common/amqp/publisher.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"

namespace cartwright::amqp::tests {
namespace {

using Clock = std::chrono::steady_clock;

double per_second(std::size_t count, Clock::time_point since) {
    return static_cast<double>(count) / std::chrono::duration<double>(Clock::now() - since).count();
}

TEST_CASE("rate of confirmed publishes and of acknowledged deliveries" * doctest::skip()) {
    constexpr std::size_t count = 200'000;
    constexpr std::size_t batch = 100;
    Broker broker;
    const auto queue = broker.quorum_queue();
    Publisher publisher(settings(), {});
    publisher.start();
    REQUIRE(eventually([&] { return publisher.connected(); }));
    const std::string body(1'000, 'x');
    auto begun_at = Clock::now();
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t in_flight = 0;
    for (std::size_t i = 0; i < count / batch; ++i) {
        std::vector<Outgoing> messages(batch, message_to(queue, body));
        for (std::size_t j = 0; j < batch; ++j) messages[j].message_id = std::to_string(i * batch + j);
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return in_flight < 10; });
        ++in_flight;
        lock.unlock();
        publisher.publish(std::move(messages), [&] {
            const std::lock_guard guard(mutex);
            --in_flight;
            changed.notify_one();
        });
    }
    REQUIRE(publisher.drain(std::chrono::seconds(120)));
    MESSAGE("published and confirmed: " << per_second(count, begun_at) << "/s");

    std::atomic<std::size_t> received = 0;
    Consumer* consuming = nullptr;
    std::vector<AckToken> tokens;
    Subscription subscription;
    subscription.queue = queue;
    subscription.prefetch = 600;
    subscription.deliver = [&](Delivery&& delivery) {
        tokens.push_back(delivery.token);
        if (++received % 50 != 0 && received > 1) return;
        consuming->acknowledge(tokens);
        tokens.clear();
    };
    Consumer consumer(settings(), {subscription});
    consuming = &consumer;
    begun_at = Clock::now();
    consumer.start();
    REQUIRE(eventually([&] { return received == count; }, std::chrono::seconds(120)));
    MESSAGE("delivered and acknowledged: " << per_second(count, begun_at) << "/s");
    consumer.close();
}

}  // namespace
}  // namespace cartwright::amqp::tests
