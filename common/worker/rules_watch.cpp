#include "common/worker/rules_watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <utility>
#include <variant>

#include "common/config/rules_file.hpp"
#include "common/crypto/webhook.hpp"
#include "common/log/log.hpp"
#include "common/metrics/metrics.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::worker {
namespace {

namespace files = std::filesystem;

/// Whoever writes several files, or one in pieces, is given time to end.
constexpr std::chrono::milliseconds settling_time{100};
constexpr std::size_t logged_problems_max = 20;

struct Read {
    std::shared_ptr<const routing::Rules> rules;  ///< null when there are problems
    std::vector<std::string> problems;
};

Read read(const std::string& directory) {
    const auto texts = config::read_rules_directory(directory);
    if (const auto* trouble = std::get_if<std::string>(&texts)) return {nullptr, {*trouble}};
    auto loaded = config::load_rules(std::get<std::vector<config::RulesText>>(texts), crypto::webhook_key);
    if (!loaded.problems.empty()) return {nullptr, std::move(loaded.problems)};
    auto rules = std::make_shared<const routing::Rules>(std::move(loaded.rules));
    auto failed = config::failed_examples(*rules, loaded.examples);
    if (!failed.empty()) return {nullptr, std::move(failed)};
    return {std::move(rules), {}};
}

bool same(const routing::Rules& a, const routing::Rules& b) {
    const auto& x = a.set().destinations;
    const auto& y = b.set().destinations;
    return a.set().version == b.set().version &&
           std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const auto& one, const auto& other) {
               return one.second.endpoint.secrets == other.second.endpoint.secrets;
           });
}

void show_version(const std::string& version, double value) {
    metrics::gauge("cartwright_rules_info", "1 for the version of the routing rules in use",
                   {{"version", version}})
        .set(value);
}

void tell(const routing::Rules& rules) {
    const auto& set = rules.set();
    metrics::counter("cartwright_rules_loaded_total", "Rule sets that were taken up").add();
    show_version(set.version, 1);
    log::info("rules_loaded", {{"version", set.version},
                               {"stream_rules", set.streams.size()},
                               {"delivery_rules", set.deliveries.size()},
                               {"destinations", set.destinations.size()}});
}

}  // namespace

RulesWatch::RulesWatch(runtime::Loop& loop, std::string directory)
    : loop_(loop), directory_(std::move(directory)) {
    while (directory_.size() > 1 && directory_.ends_with('/')) directory_.pop_back();
    metrics::counter("cartwright_rules_refused_total", "Changed rules that were wrong and not taken up");
    auto first = read(directory_);
    if (first.rules == nullptr)
        throw outcome::StartupError(
            fmt::format("{}\nthe routing rules can't be used: mend them, "
                        "`cartwright rules check` shows what is wrong",
                        fmt::join(first.problems, "\n")));
    rules_ = std::move(first.rules);
    tell(*rules_);
    loop_.on_signal({SIGHUP}, [this](int) { reload(); });
    watch();
}

std::shared_ptr<const routing::Rules> RulesWatch::current() const {
    const std::lock_guard lock(mutex_);
    return rules_;
}

/// Again after every change: what the names lead to may be another directory.
void RulesWatch::watch() {
    watches_.clear();
    watches_.push_back(loop_.watch(directory_, [this](const std::string&) { reload_soon(); }));
    const files::path path(directory_);
    const auto parent = path.has_parent_path() ? path.parent_path().string() : std::string(".");
    watches_.push_back(loop_.watch(parent, [this, own = path.filename().string()](const std::string& name) {
        if (name == own) reload_soon();
    }));
}

void RulesWatch::reload_soon() {
    if (soon_.active()) return;
    soon_ = loop_.after(settling_time, [this] { reload(); });
}

void RulesWatch::reload() {
    watch();
    auto fresh = read(directory_);
    if (fresh.rules == nullptr) {
        metrics::counter("cartwright_rules_refused_total", "Changed rules that were wrong and not taken up")
            .add();
        const auto shown = std::min(fresh.problems.size(), logged_problems_max);
        for (std::size_t i = 0; i < shown; ++i)
            log::error("rules_refused",
                       {{"problem", fresh.problems[i]}, {"problems", fresh.problems.size()}});
        return;
    }
    const auto before = current();
    if (same(*before, *fresh.rules)) return;
    show_version(before->set().version, 0);
    tell(*fresh.rules);
    const std::lock_guard lock(mutex_);
    rules_ = std::move(fresh.rules);
}

}  // namespace cartwright::worker
