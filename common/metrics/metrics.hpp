// The numbers of this process, in one registry, as Prometheus reads them.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace cartwright::metrics {

using Labels = std::map<std::string, std::string>;

/// Beyond so many series (one a name and set of labels) a new one is not kept: its handle does nothing.
inline constexpr std::size_t series_max = 10'000;

/// Handles are cheap to copy, may be used on any thread and are valid as long as the process. One that was
/// made by its default constructor does nothing.
class Counter {
  public:
    Counter() = default;
    explicit Counter(prometheus::Counter* series) : series_(series) {}
    void add(double amount = 1) const;
    double value() const;

  private:
    prometheus::Counter* series_ = nullptr;
};

class Gauge {
  public:
    Gauge() = default;
    explicit Gauge(prometheus::Gauge* series) : series_(series) {}
    void set(double value) const;
    void add(double amount) const;
    double value() const;

  private:
    prometheus::Gauge* series_ = nullptr;
};

class Histogram {
  public:
    Histogram() = default;
    explicit Histogram(prometheus::Histogram* series) : series_(series) {}
    void observe(double value) const;

  private:
    prometheus::Histogram* series_ = nullptr;
};

/// The same name and labels give the same series. A name that is used with two types or is not a legal name
/// is a bug and ends the process. The help text of the first call counts, and the bounds of the first call
/// for these labels.
Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                    const Labels& labels = {});

/// Bounds for times in seconds, from a millisecond to a minute.
const std::vector<double>& seconds_bounds();

/// Runs the hook at the beginning of each `expose`, on its thread: there statistics are copied into gauges.
/// Without an owner what the hook refers to must live as long as the process; with one the hook is dropped
/// once the owner is gone, and the owner is kept alive while the hook runs. Hooks may not call `on_expose`.
void on_expose(std::function<void()> hook);
void on_expose(std::weak_ptr<const void> owner, std::function<void()> hook);

/// Everything in the text format, version 0.0.4. Any thread.
std::string expose();

}  // namespace cartwright::metrics
