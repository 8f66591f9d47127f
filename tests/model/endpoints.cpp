#include "tests/model/endpoints.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tests/model/world.hpp"

namespace cartwright::model {
namespace {

/// "<seller>/<stream>/<number>" of a call, and where it goes.
void arrive(const http::Call& call) {
    const std::string id(http::find_header(call.headers, "webhook-id"));
    const auto first = id.find('/');
    const auto second = id.find('/', first + 1);
    const auto destination = call.url.substr(call.url.rfind('/') + 1);
    world().promises.arrived({id.substr(0, first), id.substr(first + 1, second - first - 1)},
                             std::stoll(id.substr(second + 1)), destination, call.body);
}

}  // namespace

void Endpoints::call(std::shared_ptr<Calls> calls, std::uint64_t id, http::Call call) {
    auto& here = world();
    UnderWay under_way;
    under_way.calls = std::move(calls);
    under_way.id = id;
    const auto timeout_us = std::int64_t{call.total_timeout.count()} * ms;
    under_way.arrives_us = here.scheduler.time_us + here.random.between(1, 200) * ms;
    under_way.ends_us = under_way.arrives_us + here.random.between(0, 200) * ms;
    under_way.accepted = true;
    const bool fails = here.stormy() && here.random.per_cent(here.faults.endpoints);
    if (fails || unanswered > 0) {
        const auto kind = unanswered > 0 ? 2 : here.random.below(4);
        if (unanswered > 0) --unanswered;
        under_way.accepted = kind == 1;
        under_way.arrives = kind < 2;
        if (kind > 0) under_way.end = kind == 3 ? http::CallEnd::unsent : http::CallEnd::unknown;
        if (kind == 1 || kind == 2) under_way.ends_us = here.scheduler.time_us + timeout_us;
        // On the network for longer than anybody waits.
        if (kind == 1 && here.random.per_cent(30))
            under_way.arrives_us += here.random.between(1'000, 9'000) * ms;
    }
    ++under_way.calls->in_flight;
    if (here.tracing())
        here.note(fmt::format("calls {} with {}", call.url, http::find_header(call.headers, "webhook-id")));
    under_way.call = std::move(call);
    under_way_.push_back(std::move(under_way));
}

std::int64_t Endpoints::advance() {
    const auto time_us = world().scheduler.time_us;
    auto next = never_us;
    for (auto& one : under_way_) {
        if (one.arrives && one.arrives_us <= time_us) {
            one.arrives = false;
            if (one.accepted) arrive(one.call);
        }
        if (one.calls != nullptr && one.ends_us <= time_us) {
            http::CallResult result;
            result.id = one.id;
            result.end = one.end;
            result.status = one.accepted ? 200 : 503;
            if (one.end != http::CallEnd::answered || !one.accepted) result.trouble = "trouble";
            one.calls->ended.push_back(std::move(result));
            one.calls.reset();
        }
        if (one.arrives) next = std::min(next, one.arrives_us);
        if (one.calls != nullptr) next = std::min(next, one.ends_us);
    }
    std::erase_if(under_way_, [](const UnderWay& one) { return one.calls == nullptr && !one.arrives; });
    return next;
}

}  // namespace cartwright::model

// In the place of common/http/caller.cpp.
namespace cartwright::http {

struct Caller::State {
    std::shared_ptr<model::Calls> calls = std::make_shared<model::Calls>();
};

Caller::Caller(std::size_t) : state_(std::make_unique<State>()) {}
Caller::~Caller() = default;

void Caller::start(std::uint64_t id, Call call) {
    model::world().endpoints.call(state_->calls, id, std::move(call));
}

std::vector<CallResult> Caller::run(std::chrono::milliseconds wait_max) {
    auto& calls = *state_->calls;
    auto& scheduler = model::world().scheduler;
    scheduler.wait([&] { return !calls.ended.empty() || calls.woken; },
                   scheduler.time_us + std::int64_t{wait_max.count()} * model::ms);
    calls.woken = false;
    calls.in_flight -= calls.ended.size();
    return std::exchange(calls.ended, {});
}

std::size_t Caller::in_flight() const {
    return state_->calls->in_flight;
}

void Caller::wake() {
    state_->calls->woken = true;
}

}  // namespace cartwright::http
