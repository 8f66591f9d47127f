#include "tests/load/latency.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/load/percentiles.hpp"

namespace cartwright::load {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

struct Arrival {
    std::uint64_t cart;
    Clock::time_point at;
};

}  // namespace

Latency measure_latency(const Sending& sending, const Listening& listening, const Timing& timing) {
    std::mutex mutex;
    std::vector<Arrival> arrivals;
    Listener listener(listening, [&](const Heard& heard) {
        const auto index = index_of(sending.mix, order_id_in(heard.message.body));
        if (!index) return;  // of an earlier run
        const std::lock_guard lock(mutex);
        arrivals.push_back({*index, heard.at});
    });
    listener.start();
    std::jthread acknowledging([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            listener.acknowledge();
            std::this_thread::sleep_for(milliseconds(2));
        }
    });
    std::vector<Clock::time_point> due;
    due.reserve(sending.carts);
    const auto sent = send(sending, [&](Clock::time_point at) { due.push_back(at); });
    const auto heard = [&] {
        const std::lock_guard lock(mutex);
        return static_cast<std::uint64_t>(arrivals.size());
    };
    const auto give_up_at = Clock::now() + timing.patience;
    while (heard() < sent.messages && Clock::now() < give_up_at)
        std::this_thread::sleep_for(milliseconds(10));
    acknowledging.request_stop();
    acknowledging.join();
    listener.close();

    std::vector<Timed> timed;
    std::vector<double> times;
    const auto counted_from = sent.lead_end + timing.warm_up;
    for (const auto& arrival : arrivals) {
        const auto at = due.at(arrival.cart);
        if (at < counted_from) continue;
        timed.push_back({duration<double>(at - counted_from).count(),
                         duration<double, std::milli>(arrival.at - at).count()});
        times.push_back(timed.back().took_ms);
    }
    std::sort(times.begin(), times.end());
    return {percentile(times, 0.5),
            percentile(times, 0.99),
            percentile(times, 0.999),
            percentile(times, 1),
            usual_after_s(timed, timing.usual_ms),
            sent,
            arrivals.size()};
}

}  // namespace cartwright::load
