#include "common/worker/statistics.hpp"

#include <string>

#include "common/metrics/metrics.hpp"

namespace cartwright::worker {
namespace {

/// A counter that follows a total which somebody else keeps.
class Followed {
  public:
    Followed(const char* name, const char* help) : counter_(metrics::counter(name, help)) {}
    void follow(std::uint64_t total) {
        const auto amount = static_cast<double>(total);
        if (amount > counter_.value()) counter_.add(amount - counter_.value());
    }

  private:
    metrics::Counter counter_;
};

}  // namespace

void export_statistics(const amqp::Publisher& publisher, const amqp::Consumer& consumer,
                       const catalogue::Catalogue* catalogue) {
    const auto counter = [](const char* name, const char* help, auto read) {
        metrics::on_expose([followed = Followed(name, help), read]() mutable { followed.follow(read()); });
    };
    const auto gauge = [](const char* name, const char* help, auto read) {
        metrics::on_expose(
            [shown = metrics::gauge(name, help), read] { shown.set(static_cast<double>(read())); });
    };
    const auto& out = publisher.statistics();
    const auto& in = consumer.statistics();
    counter("cartwright_published_total", "Messages sent, repetitions included",
            [&] { return out.published.load(); });
    counter("cartwright_confirmed_total", "Messages that the broker confirmed",
            [&] { return out.confirmed.load(); });
    counter("cartwright_nacked_total", "Messages that the broker refused", [&] { return out.nacked.load(); });
    counter("cartwright_returned_total", "Messages that no queue took", [&] { return out.returned.load(); });
    counter("cartwright_answers_lost_total", "Answers to reply_to that were not delivered",
            [&] { return out.best_effort_lost.load(); });
    counter("cartwright_reconnects_total", "Broker connections lost",
            [&] { return out.reconnects.load() + in.reconnects.load(); });
    counter("cartwright_blocked_milliseconds_total", "Time under connection.blocked",
            [&] { return out.blocked_ms.load(); });
    counter("cartwright_delivered_total", "Messages delivered", [&] { return in.delivered.load(); });
    counter("cartwright_acknowledged_total", "Messages acknowledged", [&] { return in.acked.load(); });
    gauge("cartwright_unconfirmed", "Messages sent and not yet confirmed",
          [&] { return out.unconfirmed.load(); });
    gauge("cartwright_unacknowledged", "Messages delivered and not yet acknowledged",
          [&] { return in.unacknowledged.load(); });
    gauge("cartwright_unacknowledged_age_milliseconds", "Age of the oldest of them",
          [&] { return in.unacknowledged_age_ms.load(); });
    if (catalogue == nullptr) return;
    counter("cartwright_catalogue_hits_total", "Catalogue entries found in memory",
            [catalogue] { return catalogue->statistics().hits; });
    counter("cartwright_catalogue_misses_total", "Catalogue entries read from MariaDB",
            [catalogue] { return catalogue->statistics().misses; });
    gauge("cartwright_catalogue_entries", "Catalogue entries in memory",
          [catalogue] { return catalogue->statistics().entries; });
}

}  // namespace cartwright::worker
