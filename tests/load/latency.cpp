#include "tests/load/latency.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <thread>
#include <vector>

namespace cartwright::load {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

struct Arrival {
    std::uint64_t cart;
    Clock::time_point at;
};

double percentile(const std::vector<double>& sorted, double share) {
    if (sorted.empty()) return 0;
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

}  // namespace

Latency measure_latency(const Sending& sending, const Listening& listening, std::chrono::seconds warm_up,
                        std::chrono::seconds patience) {
    std::mutex mutex;
    std::vector<Arrival> arrivals;
    Listener listener(listening, [&](const Heard& heard) {
        const auto index = index_of(sending.mix, order_id_in(heard.message.body));
        if (!index) return;  // of an earlier run
        const std::lock_guard lock(mutex);
        arrivals.push_back({*index, heard.at});
    });
    listener.start();
    std::atomic<bool> over = false;
    std::thread acknowledging([&] {
        while (!over) {
            listener.acknowledge();
            std::this_thread::sleep_for(milliseconds(2));
        }
    });
    std::vector<Clock::time_point> due;
    due.reserve(sending.carts);
    const auto sent = send(sending, [&](std::uint64_t, Clock::time_point at) { due.push_back(at); });
    const auto heard = [&] {
        const std::lock_guard lock(mutex);
        return static_cast<std::uint64_t>(arrivals.size());
    };
    const auto give_up_at = Clock::now() + patience;
    while (heard() < sent.messages && Clock::now() < give_up_at)
        std::this_thread::sleep_for(milliseconds(10));
    over = true;
    acknowledging.join();
    listener.close();

    std::vector<double> times;
    const auto counted_from = due.front() + warm_up;
    for (const auto& arrival : arrivals) {
        const auto at = due.at(arrival.cart);
        if (at >= counted_from) times.push_back(duration<double, std::milli>(arrival.at - at).count());
    }
    std::sort(times.begin(), times.end());
    Latency result{percentile(times, 0.5),
                   percentile(times, 0.99),
                   percentile(times, 0.999),
                   percentile(times, 1),
                   sent.late_ms_max,
                   arrivals.size(),
                   0};
    result.missing = sent.messages - std::min<std::uint64_t>(sent.messages, arrivals.size());
    return result;
}

}  // namespace cartwright::load
