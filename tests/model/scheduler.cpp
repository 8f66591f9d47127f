#include "tests/model/scheduler.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace cartwright::model {

void Scheduler::spawn(Process& process, std::string name, std::function<void()> body) {
    auto actor = std::make_unique<Actor>();
    actor->name = std::move(name);
    actor->process = &process;
    actor->fiber = std::make_unique<Fiber>([this, called = actor->name, work = std::move(body)] {
        try {
            work();
        } catch (const Killed&) {
            return;
        } catch (const Bug& bug) {
            on_trouble(called, "an assertion failed: " + bug.what);
        } catch (const std::exception& error) {
            on_trouble(called, std::string("it threw: ") + error.what());
        }
    });
    actors_.push_back(std::move(actor));
}

void Scheduler::give_way() {
    current_->fiber->give_way();
    // Whoever dies while an exception passes by has nothing more to be told.
    if (current_->killed && std::uncaught_exceptions() == 0) throw Killed{};
}

void Scheduler::step() {
    if (current_ == nullptr || (current_->killed && std::uncaught_exceptions() > 0)) return;
    give_way();
}

void Scheduler::wait(const std::function<bool()>& ready, std::int64_t wake_at_us) {
    if (current_->killed && std::uncaught_exceptions() > 0) return;
    auto& actor = *current_;
    actor.ready = &ready;
    actor.wake_at_us = wake_at_us;
    actor.waiting = true;
    give_way();
}

const std::string& Scheduler::actor() const {
    static const std::string nobody;
    return current_ == nullptr ? nobody : current_->name;
}

bool Scheduler::is_ready(const Actor& actor) const {
    if (actor.process->frozen_until_us > time_us) return false;
    return !actor.waiting || actor.wake_at_us <= time_us || (*actor.ready)();
}

void Scheduler::run(Actor& actor) {
    actor.waiting = false;
    actor.wake_at_us = never_us;
    actor.begun = true;
    current_ = &actor;
    actor.fiber->resume();
    current_ = nullptr;
}

bool Scheduler::turn() {
    std::erase_if(actors_, [](const auto& actor) { return actor->fiber->ended(); });
    ready_.clear();
    for (const auto& actor : actors_) {
        if (is_ready(*actor)) ready_.push_back(actor.get());
    }
    if (ready_.empty()) return false;
    run(*ready_[random_.below(ready_.size())]);
    return true;
}

std::int64_t Scheduler::next_wake_us() const {
    auto next = never_us;
    for (const auto& actor : actors_) {
        if (actor->waiting && !actor->fiber->ended())
            next = std::min(next, std::max(actor->wake_at_us, actor->process->frozen_until_us));
        if (actor->process->frozen_until_us > time_us) next = std::min(next, actor->process->frozen_until_us);
    }
    return next;
}

void Scheduler::kill(Process& process) {
    process.alive = false;
    // Last come, first gone: threads end before whoever started and joins them.
    for (auto place = actors_.rbegin(); place != actors_.rend(); ++place) {
        auto& actor = **place;
        if (actor.process != &process || !actor.begun || actor.fiber->ended()) continue;
        actor.killed = true;
        while (!actor.fiber->ended()) run(actor);
    }
    std::erase_if(actors_, [&](const auto& actor) { return actor->process == &process; });
}

bool Scheduler::has_ended(const std::string& name) const {
    return std::none_of(actors_.begin(), actors_.end(),
                        [&](const auto& actor) { return actor->name == name && !actor->fiber->ended(); });
}

}  // namespace cartwright::model
