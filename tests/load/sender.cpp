#include "tests/load/sender.hpp"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "common/amqp/publisher.hpp"
#include "tests/load/connection.hpp"

namespace cartwright::load {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

constexpr std::size_t burst_max = 100;
constexpr std::uint64_t repeated_after = 1'000;

amqp::Outgoing message_of(const Cart& cart) {
    amqp::Outgoing message;
    message.exchange = "carts";
    message.routing_key = "cart.submitted";
    message.type = "cartwright.cart.submitted.v1";
    message.message_id = cart.order_id + "/submitted";
    message.body = cart.json;
    return message;
}

class Sender {
  public:
    explicit Sender(const Sending& sending)
        : sending_(sending),
          market_(sending.mix),
          publisher_(connection_to(sending.amqp_url, "sender"), limits(sending)) {}

    Sent run(const std::function<void(std::uint64_t, Clock::time_point)>& due);

  private:
    static amqp::PublisherLimits limits(const Sending& sending) {
        amqp::PublisherLimits limits;
        limits.window_messages_max = sending.unconfirmed_max;
        return limits;
    }
    Clock::time_point due_at(std::uint64_t index) const;
    void add_repeats(std::vector<amqp::Outgoing>& burst, bool all);
    void publish(std::vector<amqp::Outgoing> burst);
    void wait_for_room(std::uint64_t unconfirmed_max);

    const Sending& sending_;
    Market market_;
    amqp::Publisher publisher_;
    Sent sent_;
    Clock::time_point begun_at_;
    std::deque<std::pair<std::uint64_t, amqp::Outgoing>> repeats_;
    std::atomic<std::uint64_t> unconfirmed_ = 0;
};

Clock::time_point Sender::due_at(std::uint64_t index) const {
    if (sending_.rate <= 0) return Clock::now();
    return begun_at_ + std::chrono::duration_cast<Clock::duration>(
                           duration<double>(static_cast<double>(index) / sending_.rate));
}

void Sender::wait_for_room(std::uint64_t unconfirmed_max) {
    while (unconfirmed_ > unconfirmed_max) std::this_thread::sleep_for(milliseconds(1));
}

void Sender::publish(std::vector<amqp::Outgoing> burst) {
    if (burst.empty()) return;
    wait_for_room(sending_.unconfirmed_max);
    const auto count = burst.size();
    unconfirmed_ += count;
    publisher_.publish(std::move(burst), [this, count] { unconfirmed_ -= count; });
}

void Sender::add_repeats(std::vector<amqp::Outgoing>& burst, bool all) {
    while (!repeats_.empty() && (all || repeats_.front().first <= sent_.carts)) {
        burst.push_back(std::move(repeats_.front().second));
        repeats_.pop_front();
    }
}

Sent Sender::run(const std::function<void(std::uint64_t, Clock::time_point)>& due) {
    publisher_.start();
    while (!publisher_.connected()) std::this_thread::sleep_for(milliseconds(5));
    begun_at_ = Clock::now() + milliseconds(sending_.rate > 0 ? 200 : 0);
    double to_repeat = 0;
    while (sent_.carts < sending_.carts) {
        std::vector<amqp::Outgoing> burst;
        auto at = due_at(sent_.carts);
        std::this_thread::sleep_until(at);
        const auto now = Clock::now();
        while (burst.size() < burst_max && sent_.carts < sending_.carts && at <= now) {
            const auto cart = market_.next();
            due(sent_.carts, at);
            sent_.late_ms_max = std::max(sent_.late_ms_max, duration<double, std::milli>(now - at).count());
            sent_.messages += cart.messages;
            if (cart.served) sent_.lines += cart.lines.size();
            burst.push_back(message_of(cart));
            ++sent_.carts;
            if ((to_repeat += sending_.repeats) >= 1) {
                to_repeat -= 1;
                repeats_.emplace_back(sent_.carts + repeated_after, burst.back());
            }
            if (sending_.rate > 0) at = due_at(sent_.carts);
        }
        add_repeats(burst, false);
        publish(std::move(burst));
    }
    std::vector<amqp::Outgoing> last;
    add_repeats(last, true);
    publish(std::move(last));
    wait_for_room(0);
    sent_.seconds = duration<double>(Clock::now() - begun_at_).count();
    sent_.nacked = publisher_.statistics().nacked;
    publisher_.close();
    return sent_;
}

}  // namespace

Sent send(const Sending& sending, const std::function<void(std::uint64_t, Clock::time_point)>& due) {
    return Sender(sending).run(due);
}

}  // namespace cartwright::load
