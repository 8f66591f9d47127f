#include "common/worker/rules_watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "common/config/rules_file.hpp"
#include "common/crypto/webhook.hpp"
#include "common/log/log.hpp"
#include "common/metrics/metrics.hpp"
#include "common/outcome/trouble.hpp"
#include "common/worker/rules_places.hpp"

namespace cartwright::worker {
namespace {

namespace files = std::filesystem;

/// Whoever writes several files, or one in pieces, is given time to end: it has to be quiet for that long,
/// unless it never is.
constexpr std::chrono::milliseconds quiet_time{100}, settling_time_max{500};
constexpr int watch_attempts_max = 5;
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
    watch();  // before they are read: what changes in between is noticed
    auto first = read(directory_);
    if (first.rules == nullptr) {
        soon_.cancel();
        throw outcome::StartupError(
            fmt::format("{}\nthe routing rules can't be used: mend them, "
                        "`cartwright rules check` shows what is wrong",
                        fmt::join(first.problems, "\n")));
    }
    rules_ = std::move(first.rules);
    tell(*rules_);
    loop_.on_signal({SIGHUP}, [this](int) { reload_soon(); });
}

RulesWatch::~RulesWatch() {
    soon_.cancel();
}

std::shared_ptr<const routing::Rules> RulesWatch::current() const {
    const std::lock_guard lock(mutex_);
    return rules_;
}

/// Again after every change: what the names lead to may be another directory. Whoever changes it meanwhile is
/// noticed by looking twice.
void RulesWatch::watch() {
    auto places = places_of_rules(directory_);
    for (int attempt = 0; attempt < watch_attempts_max; ++attempt) {
        watch_at(places);
        auto now = places_of_rules(directory_);
        if (now == places) return;
        places = std::move(now);
    }
    reload_soon();
}

void RulesWatch::watch_at(const std::set<Place>& places) {
    watches_.clear();
    std::map<std::string, std::set<std::string>> names;
    for (const auto& place : places) names[place.folder].insert(place.name);
    std::string blind;
    const auto add = [&](const std::string& folder, std::function<void(const std::string&)> work) {
        watches_.push_back(loop_.watch(folder, std::move(work)));
        std::error_code error;
        if (!watches_.back().active() && files::is_directory(folder, error)) blind = folder;
    };
    for (auto& [folder, own] : names) {
        own.insert(files::path(folder).filename().string());  // the folder itself is moved or removed
        add(folder, [this, watched = std::move(own)](const std::string& name) {
            if (watched.contains(name)) reload_soon();
        });
    }
    // After its own name: were it made in between, that would tell.
    add(directory_, [this](const std::string&) { reload_soon(); });
    if (!blind.empty() && blind != blind_)
        log::warn("rules_not_watched", {{"folder", blind}, {"next", "send SIGHUP after changes"}});
    blind_ = blind;
}

void RulesWatch::reload_soon() {
    const auto now = std::chrono::steady_clock::now();
    if (!soon_.active()) settled_by_ = now + settling_time_max;
    soon_.cancel();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(settled_by_ - now);
    soon_ = loop_.after(std::min(quiet_time, left), [this] { reload(); });
}

void RulesWatch::reload() {
    soon_.cancel();
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
    {
        const std::lock_guard lock(mutex_);
        rules_ = fresh.rules;
    }
    show_version(before->set().version, 0);
    tell(*fresh.rules);
}

}  // namespace cartwright::worker
