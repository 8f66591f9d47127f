// The load of scripts/bench: `load send|hear|latency|broker|sql`. Each prints one line of JSON.
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>

#include "common/amqp/publisher.hpp"
#include "common/command_line/command_line.hpp"
#include "tests/load/ceilings.hpp"
#include "tests/load/connection.hpp"
#include "tests/load/latency.hpp"
#include "tests/load/listener.hpp"
#include "tests/load/sender.hpp"

namespace cartwright::load {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Options {
    Sending sending;
    Listening listening;
    std::string postgres_url;
    std::uint64_t expected = 0;
    double cancelled = 0;
    double lead_s = 0;
    int seconds = 20, warm_up_s = 3, patience_s = 30;
    double usual_ms = 0;
    std::size_t cart_bytes = 700, answer_bytes = 1'000, message_bytes = 900;
};

volatile std::sig_atomic_t interrupted = 0;

void add_mix(command_line::Command command, Mix& mix) {
    command.option("--skus", &mix.skus).between(1, 100'000'000);
    command.option("--sellers", &mix.sellers).between(1, 100'000'000);
    command.option("--zipf", &mix.zipf_exponent, "exponent of Zipf's law");
    command.flag("--hot", &mix.hot, "SKU 0 is in every cart");
    command.option("--sold-out", &mix.sold_out, "so many of the most wanted SKUs are not there");
    command.option("--four-sellers", &mix.four_sellers, "share of carts of four sellers");
    command.option("--elsewhere", &mix.elsewhere, "the first so many sellers are not on shared queues");
    command.option("--seed", &mix.seed);
    command.option("--run", &mix.run, "part of every order id");
}

/// The option --rate.
command_line::Option add_sending(command_line::Command command, Options& options) {
    add_mix(command, options.sending.mix);
    command.option("--amqp", &options.sending.amqp_url, "the broker").required();
    command.option("--unconfirmed-max", &options.sending.unconfirmed_max);
    return command.option("--rate", &options.sending.rate, "carts/s; 0: as fast as it goes");
}

void add_listening(command_line::Command command, Options& options) {
    command.option("--queues", &options.listening.queues, "shared queues of the sellers");
    command.option("--record", &options.listening.record_file, "what came is written to this file");
}

std::string in_json(const Sent& sent) {
    return fmt::format(
        R"("carts":{},"messages":{},"lines":{},"units":{},"nacked":{},"seconds":{:.3f},"lead_carts":{},)"
        R"("lead_seconds":{:.3f},"late_ms_max":{:.2f})",
        sent.carts, sent.messages, sent.lines, sent.units, sent.nacked, sent.seconds, sent.lead_carts,
        sent.lead_seconds, sent.late_ms_max);
}

void send_carts(const Options& options) {
    fmt::print("{{{}}}\n", in_json(send(options.sending, [](Clock::time_point) {})));
}

/// Cancels a share of the orders, each when its first message arrives.
class Canceller {
  public:
    Canceller(const std::string& url, double share)
        : share_(share), publisher_(connection_to(url, "cancellations"), {}) {
        if (share_ > 0) publisher_.start();
    }
    ~Canceller() {
        if (share_ > 0) publisher_.close();
    }
    Canceller(const Canceller&) = delete;
    Canceller& operator=(const Canceller&) = delete;

    void heard(const amqp::Delivery& message) {
        if (share_ <= 0) return;
        const std::lock_guard lock(mutex_);
        const std::string order_id(order_id_in(message.body));
        const bool is_order = message.type == "cartwright.seller.order.v1";
        if (const auto found = cancelled_.find(order_id); found != cancelled_.end()) {
            found->second += is_order ? 1 : -1;
            return;
        }
        if (!is_order || static_cast<double>(std::hash<std::string>{}(order_id) % 1'000) >= share_ * 1'000)
            return;
        cancelled_.emplace(order_id, 1);
        amqp::Outgoing cancellation;
        cancellation.exchange = "movements";
        cancellation.routing_key = "order.cancellation";
        cancellation.type = "cartwright.order.cancellation.v1";
        cancellation.message_id = order_id + "/cancellation";
        cancellation.body =
            fmt::format(R"({{"specversion":"1.0","id":"{0}/cancellation","source":"urn:cartwright:load",)"
                        R"("type":"cartwright.order.cancellation.v1","data":{{"order_id":"{0}",)"
                        R"("reason":"no longer wanted"}}}})",
                        order_id);
        publisher_.publish({std::move(cancellation)}, [] {});
    }

    std::size_t count() {
        const std::lock_guard lock(mutex_);
        return cancelled_.size();
    }
    /// Messages to sellers that are still to come.
    std::int64_t outstanding() {
        const std::lock_guard lock(mutex_);
        std::int64_t sum = 0;
        for (const auto& entry : cancelled_) sum += entry.second;
        return sum;
    }

  private:
    double share_;
    amqp::Publisher publisher_;
    std::mutex mutex_;
    std::map<std::string, std::int64_t> cancelled_;
};

void hear(const Options& options) {
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    Canceller canceller(options.listening.amqp_url, options.cancelled);
    std::atomic<std::uint64_t> orders = 0;
    // By a hash of their ids: what was not confirmed in time arrives again, and must not stand for another.
    std::unordered_set<std::size_t> known;
    Listener listener(options.listening, [&](const Heard& heard) {
        const bool first = known.insert(std::hash<std::string>{}(heard.message.message_id)).second;
        if (first && heard.message.type == "cartwright.seller.order.v1") ++orders;
        canceller.heard(heard.message);
    });
    listener.start();
    fmt::print(stderr, "listening\n");
    auto changed_at = Clock::now();
    std::uint64_t seen = 0;
    while (interrupted == 0 && (orders < options.expected || canceller.outstanding() > 0)) {
        std::this_thread::sleep_for(milliseconds(5));
        listener.acknowledge();
        if (listener.count() != seen) changed_at = Clock::now();
        seen = listener.count();
        if (Clock::now() - changed_at > seconds(options.patience_s)) break;
    }
    const auto first_at = listener.first_at();
    const auto took = duration<double>(listener.last_at() - first_at).count();
    const auto count = listener.count();
    listener.close();
    fmt::print(R"({{"messages":{},"seconds":{:.6f},"first_at_s":{:.6f},"cancelled":{},"outstanding":{}}})"
               "\n",
               count, took, duration<double>(first_at.time_since_epoch()).count(), canceller.count(),
               canceller.outstanding());
}

void latency(Options& options) {
    options.listening.amqp_url = options.sending.amqp_url;
    options.sending.carts =
        static_cast<std::uint64_t>(options.sending.rate * (options.seconds + options.warm_up_s));
    options.sending.lead = duration<double>(options.lead_s);
    const auto result =
        measure_latency(options.sending, options.listening,
                        {seconds(options.warm_up_s), seconds(options.patience_s), options.usual_ms});
    fmt::print(R"({{"p50_ms":{:.2f},"p99_ms":{:.2f},"p999_ms":{:.2f},"max_ms":{:.2f},"usual_after_s":{:.0f},)"
               R"("heard":{},{}}})"
               "\n",
               result.p50_ms, result.p99_ms, result.p999_ms, result.max_ms, result.usual_after_s,
               result.messages, in_json(result.sent));
}

void add_commands(command_line::Command program, Options& options) {
    auto sending = program.command("send", "publishes carts");
    add_sending(sending, options);
    sending.option("--carts", &options.sending.carts).required();
    sending.option("--repeats", &options.sending.repeats, "share of carts that are sent twice");
    sending.runs([&] { send_carts(options); });

    auto hearing = program.command("hear", "consumes what sellers get, until all has come");
    add_listening(hearing, options);
    hearing.option("--amqp", &options.listening.amqp_url, "the broker").required();
    hearing.option("--expect", &options.expected, "messages of orders to wait for").required();
    hearing.option("--cancel", &options.cancelled,
                   "share of orders that are cancelled when they are heard of");
    hearing.option("--patience", &options.patience_s, "seconds without a message that end it");
    hearing.runs([&] { hear(options); });

    auto timing = program.command("latency", "publishes carts at a rate and times the sellers' messages");
    add_sending(timing, options).required().positive();
    add_listening(timing, options);
    timing.option("--seconds", &options.seconds).positive();
    timing.option("--warm-up", &options.warm_up_s, "seconds at the beginning that do not count");
    timing.option("--patience", &options.patience_s, "seconds to wait for the last");
    timing.option("--lead-rate", &options.sending.lead_rate, "carts/s before, which are not timed");
    timing.option("--lead-seconds", &options.lead_s, "how long that lasts");
    timing.option("--usual-ms", &options.usual_ms,
                  "tells after how many seconds the 99th percentile of every second was at most this");
    timing.runs([&] { latency(options); });

    auto broker = program.command("broker", "the barest exchange with the broker");
    broker.option("--amqp", &options.sending.amqp_url, "with the queues load.in and load.out").required();
    broker.option("--carts", &options.sending.carts).required();
    broker.option("--cart-bytes", &options.cart_bytes);
    broker.option("--message-bytes", &options.message_bytes);
    broker.runs([&] {
        fmt::print("{{\"carts_per_s\":{:.1f}}}\n",
                   broker_ceiling(options.sending.amqp_url, options.sending.carts, options.cart_bytes,
                                  options.message_bytes));
    });

    auto sql = program.command("sql", "the fleet's statements on one connection");
    add_mix(sql, options.sending.mix);
    sql.option("--postgres", &options.postgres_url, "with the fleet's schema, as its owner").required();
    sql.option("--carts", &options.sending.carts).required();
    sql.option("--answer-bytes", &options.answer_bytes);
    sql.option("--message-bytes", &options.message_bytes);
    sql.runs([&] {
        fmt::print("{{\"carts_per_s\":{:.1f}}}\n",
                   sql_ceiling(options.postgres_url, options.sending.mix, options.sending.carts,
                               options.answer_bytes, options.message_bytes));
    });
}

}  // namespace
}  // namespace cartwright::load

int main(int argc, char** argv) {
    cartwright::command_line::Line line("load", "The load of scripts/bench.");
    line.needs_command();
    cartwright::load::Options options;
    cartwright::load::add_commands(line, options);
    try {
        return line.read(argc, argv).value_or(0);
    } catch (const std::exception& error) {
        fmt::print(stderr, "load: {}\n", error.what());
        return 1;
    }
}
