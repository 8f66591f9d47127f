#include "workers/router/routes.hpp"

#include <utility>

#include <fmt/format.h>

#include "common/log/log.hpp"
#include "common/metrics/metrics.hpp"
#include "workers/router/statements.hpp"

namespace cartwright::router {

using postgres::Transaction;
using routing::Route;
using routing::StreamKey;

Routes::Routes(routing::RulesSource source) : source_(std::move(source)), rules_(source_()) {}

void Routes::refresh(postgres::Session& session) {
    auto current = source_();
    if (current == rules_ && registered_) return;
    const auto& version = current->set().version;
    if (version != registered_) {
        const bool changed = registered_.has_value();
        session.transaction([&](Transaction& transaction) { register_rules(transaction, version, changed); });
        registered_ = version;
        exceptions_.clear();
    }
    rules_ = std::move(current);
}

Believed Routes::believed(const StreamKey& stream) const {
    if (const auto found = exceptions_.find(stream); found != exceptions_.end()) return found->second;
    const auto choice = rules_->choose_destination(stream.seller_id.str(), stream.stream.str());
    return {choice.destination->name, choice.destination->name, std::nullopt};
}

const routing::Destination* Routes::destination(const std::string& name) const {
    return rules_->destination(name);
}

void Routes::believe(const StreamKey& stream, const Route& route) {
    Believed recorded{route.destination, route.wished, std::nullopt};
    if (route.next) recorded.next_from = route.next->from;
    exceptions_.erase(stream);
    if (believed(stream) != recorded) exceptions_.emplace(stream, std::move(recorded));
}

bool Routes::newest(postgres::Session& session) const {
    bool result = false;
    session.transaction([&](Transaction& transaction) { result = newest_rules(transaction) == registered_; });
    return result;
}

std::map<StreamKey, std::string> Routes::destinations(std::span<const StreamKey> streams) const {
    std::map<StreamKey, std::string> names;
    for (const auto& stream : streams) {
        const auto choice = rules_->choose_destination(stream.seller_id.str(), stream.stream.str());
        names.emplace(stream, choice.destination->name);
    }
    return names;
}

void Routes::make_rows(postgres::Session& session, std::span<const StreamKey> streams) {
    const auto wished = destinations(streams);
    session.transaction([&](Transaction& transaction) { insert_streams(transaction, wished); });
}

void Routes::settle(postgres::Session& session, std::span<const StreamKey> streams) {
    const auto wished = destinations(streams);
    std::map<StreamKey, Route> settled;
    session.transaction([&](Transaction& transaction) {
        settled.clear();
        insert_streams(transaction, wished);
        auto routes = lock_routes(transaction, streams);
        // Only now: the last number that is seen here was not yet given to whoever held the row before.
        const auto assigned = read_assigned(transaction, streams);
        const bool newest = newest_rules(transaction) == registered_;
        std::map<StreamKey, Route> changed;
        std::vector<RecordedSwitch> switches;
        for (auto& [stream, route] : routes) {
            const auto found = assigned.find(stream);
            const auto last = found == assigned.end() ? 0 : found->second;
            auto rerouted = newest ? routing::follow(route, wished.at(stream), last)
                                   : routing::Rerouted{routing::promoted(route), std::nullopt};
            if (rerouted.route != route) changed.emplace(stream, rerouted.route);
            if (rerouted.recorded) {
                switches.push_back(
                    {stream, *rerouted.recorded, "rules " + *registered_, "the rules changed"});
            }
            settled.emplace(stream, std::move(rerouted.route));
        }
        write_routes(transaction, changed);
        record_switches(transaction, switches);
    });
    for (const auto& [stream, route] : settled) believe(stream, route);
}

void Routes::fall_back(postgres::Session& session, std::span<const StreamKey> streams,
                       const std::string& from, const std::string& to, const std::string& reason) {
    std::map<StreamKey, Route> changed;
    std::vector<RecordedSwitch> switches;
    session.transaction([&](Transaction& transaction) {
        changed.clear();
        switches.clear();
        auto routes = lock_routes(transaction, streams);
        const auto assigned = read_assigned(transaction, streams);
        for (auto& [stream, route] : routes) {
            if (route.destination != from || route.next) continue;
            const auto found = assigned.find(stream);
            auto rerouted = routing::switched(route, to, found == assigned.end() ? 0 : found->second);
            if (!rerouted.recorded) continue;
            switches.push_back({stream, *rerouted.recorded, "fallback", reason});
            changed.emplace(stream, std::move(rerouted.route));
        }
        write_routes(transaction, changed);
        record_switches(transaction, switches);
    });
    for (const auto& [stream, route] : changed) believe(stream, route);
    for (const auto& one : switches) {
        metrics::counter("cartwright_router_fallbacks_total", "Streams switched to a fallback").add();
        log::warn("stream_falls_back", {{"seller", one.stream.seller_id},
                                        {"stream", one.stream.stream},
                                        {"from", one.recorded.previous},
                                        {"to", one.recorded.destination},
                                        {"number", one.recorded.from},
                                        {"why", reason}});
    }
}

}  // namespace cartwright::router
