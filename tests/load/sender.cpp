#include "tests/load/sender.hpp"

#include <algorithm>
#include <deque>
#include <limits>
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

    Sent run(const Due& due);

  private:
    static amqp::PublisherLimits limits(const Sending& sending) {
        amqp::PublisherLimits limits;
        limits.window_messages_max = sending.unconfirmed_max;
        return limits;
    }
    /// Sends at a rate until so many carts are sent or the time is over.
    void send_phase(double rate, std::uint64_t carts, Clock::time_point until, const Due& due);
    void add_repeats(std::vector<amqp::Outgoing>& burst, bool all);
    void publish(std::vector<amqp::Outgoing> burst);
    void wait_for_room(std::uint64_t unconfirmed_max);
    void count(const std::vector<Line>& lines);

    const Sending& sending_;
    Market market_;
    amqp::Publisher publisher_;
    Sent sent_;
    double to_repeat_ = 0;
    std::deque<std::pair<std::uint64_t, amqp::Outgoing>> repeats_;
    std::atomic<std::uint64_t> unconfirmed_ = 0;
};

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

void Sender::count(const std::vector<Line>& lines) {
    sent_.lines += lines.size();
    for (const auto& line : lines) sent_.units += static_cast<std::uint64_t>(line.quantity);
}

void Sender::add_repeats(std::vector<amqp::Outgoing>& burst, bool all) {
    while (!repeats_.empty() && (all || repeats_.front().first <= sent_.carts)) {
        burst.push_back(std::move(repeats_.front().second));
        repeats_.pop_front();
    }
}

void Sender::send_phase(double rate, std::uint64_t carts, Clock::time_point until, const Due& due) {
    const auto begun_at = Clock::now();
    std::uint64_t sent = 0;
    const auto due_at = [&] {
        if (rate <= 0) return Clock::now();
        const duration<double> after(static_cast<double>(sent) / rate);
        return begun_at + std::chrono::duration_cast<Clock::duration>(after);
    };
    while (sent < carts && Clock::now() < until) {
        std::vector<amqp::Outgoing> burst;
        auto at = due_at();
        std::this_thread::sleep_until(at);
        const auto now = Clock::now();
        while (burst.size() < burst_max && sent < carts && at <= now) {
            const auto cart = market_.next();
            due(at);
            sent_.late_ms_max = std::max(sent_.late_ms_max, duration<double, std::milli>(now - at).count());
            sent_.messages += cart.messages;
            if (cart.served) count(cart.lines);
            burst.push_back(message_of(cart));
            ++sent;
            ++sent_.carts;
            if ((to_repeat_ += sending_.repeats) >= 1) {
                to_repeat_ -= 1;
                repeats_.emplace_back(sent_.carts + repeated_after, burst.back());
            }
            if (rate > 0) at = due_at();
        }
        add_repeats(burst, false);
        publish(std::move(burst));
    }
}

Sent Sender::run(const Due& due) {
    publisher_.start();
    while (!publisher_.connected()) std::this_thread::sleep_for(milliseconds(5));
    if (sending_.rate > 0) std::this_thread::sleep_for(milliseconds(200));
    const auto begun_at = Clock::now();
    const auto lead_until = begun_at + std::chrono::duration_cast<Clock::duration>(sending_.lead);
    send_phase(sending_.lead_rate, std::numeric_limits<std::uint64_t>::max(), lead_until, due);
    sent_.lead_carts = sent_.carts;
    sent_.lead_end = Clock::now();
    sent_.lead_seconds = duration<double>(sent_.lead_end - begun_at).count();
    sent_.late_ms_max = 0;
    send_phase(sending_.rate, sending_.carts, Clock::time_point::max(), due);
    std::vector<amqp::Outgoing> last;
    add_repeats(last, true);
    publish(std::move(last));
    wait_for_room(0);
    sent_.seconds = duration<double>(Clock::now() - begun_at).count();
    sent_.nacked = publisher_.statistics().nacked;
    publisher_.close();
    return sent_;
}

}  // namespace

Sent send(const Sending& sending, const Due& due) {
    return Sender(sending).run(due);
}

}  // namespace cartwright::load
