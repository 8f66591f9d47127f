#include "common/metrics/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <exception>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "common/outcome/trouble.hpp"

namespace cartwright::metrics {

namespace {

struct Hook {
    std::optional<std::weak_ptr<const void>> owner;  // none: for ever
    std::function<void()> run;
};

struct Store {
    prometheus::Registry registry;
    std::mutex series_mutex;
    std::set<std::pair<std::string, Labels>> series;
    std::mutex hooks_mutex;  // also lets one thread at a time expose
    std::vector<Hook> hooks;
};

// Never destroyed: handles may be used until the very end of the process.
Store& store() {
    static Store& the_store = *new Store;
    return the_store;
}

// False where the series is new and there is no room for it.
bool admit(const std::string& name, const Labels& labels) {
    const std::lock_guard lock(store().series_mutex);
    std::pair<std::string, Labels> key(name, labels);
    if (store().series.contains(key)) return true;
    if (store().series.size() >= series_max) return false;
    store().series.insert(std::move(key));
    return true;
}

template <class Handle, class Builder, class... Arguments>
Handle find_or_make(Builder builder, const std::string& name, const std::string& help, const Labels& labels,
                    const Arguments&... arguments) {
    if (!admit(name, labels)) return Handle();
    try {
        return Handle(&builder.Name(name).Help(help).Register(store().registry).Add(labels, arguments...));
    } catch (const std::exception& trouble) {
        outcome::die_of_bug(trouble.what(), name.c_str(), 0);
    }
}

void run_hooks() {
    std::erase_if(store().hooks, [](const Hook& hook) {
        if (!hook.owner) {
            hook.run();
            return false;
        }
        const std::shared_ptr<const void> alive = hook.owner->lock();
        if (alive != nullptr) hook.run();
        return alive == nullptr;
    });
}

}  // namespace

void Counter::add(double amount) const {
    if (series_ != nullptr) series_->Increment(amount);
}

double Counter::value() const {
    return series_ == nullptr ? 0 : series_->Value();
}

void Gauge::set(double value) const {
    if (series_ != nullptr) series_->Set(value);
}

void Gauge::add(double amount) const {
    if (series_ != nullptr) series_->Increment(amount);
}

double Gauge::value() const {
    return series_ == nullptr ? 0 : series_->Value();
}

void Histogram::observe(double value) const {
    if (series_ != nullptr) series_->Observe(value);
}

Counter counter(const std::string& name, const std::string& help, const Labels& labels) {
    return find_or_make<Counter>(prometheus::BuildCounter(), name, help, labels);
}

Gauge gauge(const std::string& name, const std::string& help, const Labels& labels) {
    return find_or_make<Gauge>(prometheus::BuildGauge(), name, help, labels);
}

Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                    const Labels& labels) {
    return find_or_make<Histogram>(prometheus::BuildHistogram(), name, help, labels, bounds);
}

const std::vector<double>& seconds_bounds() {
    static const std::vector<double> bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                            0.5,   1,      2.5,   5,    10,    30,   60};
    return bounds;
}

void on_expose(std::function<void()> hook) {
    const std::lock_guard lock(store().hooks_mutex);
    store().hooks.push_back({std::nullopt, std::move(hook)});
}

void on_expose(std::weak_ptr<const void> owner, std::function<void()> hook) {
    const std::lock_guard lock(store().hooks_mutex);
    store().hooks.push_back({std::move(owner), std::move(hook)});
}

std::string expose() {
    {
        const std::lock_guard lock(store().hooks_mutex);
        run_hooks();
    }
    return prometheus::TextSerializer().Serialize(store().registry.Collect());
}

}  // namespace cartwright::metrics
