#include "tests/model/world.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace cartwright::model {
namespace {

thread_local World* current = nullptr;

constexpr std::int64_t calm_max_us = 600'000 * ms;
/// Far more than any schedule needs: who is at work for so long does the same thing again and again.
constexpr std::uint64_t calm_turns_max = 300'000;
/// The server ends a transaction whose client says nothing for so long.
constexpr std::int64_t idle_in_transaction_us = 2'000 * ms;
constexpr unsigned turns_after_the_last_message = 80;

}  // namespace

World& world() {
    return *current;
}

bool has_world() {
    return current != nullptr;
}

World::World(std::uint64_t seed, Mutation mutation, bool tracing, const std::function<void(World&)>& set_up)
    : random(seed),
      scheduler(random),
      database(scheduler),
      broker(scheduler, random),
      promises(*this),
      remembers_for_ever(seed % 2 == 0),
      mutation_(mutation),
      tracing_(tracing) {
    current = this;
    scheduler.on_trouble = [this](const std::string& actor, const std::string& trouble) {
        promises.broken(actor + ": " + trouble);
    };
    promises.watch();
    database.on_commit = [this](const Work& work) {
        promises.after_commit();
        if (committed) committed(work);
    };
    set_up ? set_up(*this) : populate(*this);
    promises.begin();
}

World::~World() {
    stormy_ = false;
    for (const auto& program : programs) scheduler.kill(program->process);
    current = nullptr;
}

void World::note(const std::string& what) {
    const auto& actor = scheduler.actor();
    trace_.push_back(fmt::format("{:>6} {:>12.6f} {:<22} {}", steps,
                                 static_cast<double>(scheduler.time_us) / 1e6, actor.empty() ? "-" : actor,
                                 what));
}

std::optional<std::string> World::run() {
    start_what_is_due(true);
    storm();
    if (!promises.first_broken()) calm();
    return promises.first_broken();
}

void World::storm() {
    unsigned after = 0;
    while (!promises.first_broken() && after < turns_after_the_last_message) {
        if (to_send.empty()) ++after;
        storm_turn();
    }
}

void World::storm_turn() {
    begin_turn(false);
    const auto dice = random.below(100);
    if (dice < 6) return send_one();
    if (dice < 8) {
        scheduler.time_us += random.between(1, random.per_cent(10) ? 5'000 : 300) * ms;
        return;
    }
    if (fault()) return;
    if (!scheduler.turn()) let_time_pass();
}

void World::begin_turn(bool all) {
    ++steps;
    ++scheduler.time_us;
    if (doomed_ != nullptr) die(*std::exchange(doomed_, nullptr));
    start_what_is_due(all);
    endpoints.advance();
}

void World::send_one() {
    if (to_send.empty()) return;
    auto message = std::move(to_send.front());
    to_send.pop_front();
    if (tracing_) note(fmt::format("a client sends {} {}", message.letter.label, message.letter.body));
    broker.put(message.queue, std::move(message.letter));
}

/// To when somebody has something to do.
void World::let_time_pass() {
    auto next = std::min(scheduler.next_wake_us(), endpoints.advance());
    for (const auto& program : programs) {
        if (!program->process.alive) next = std::min(next, program->restarts_at_us);
    }
    if (next != never_us && next > scheduler.time_us) scheduler.time_us = next;
}

bool World::fault() {
    auto& program = *programs[random.below(programs.size())];
    if (!program.process.alive || program.process.frozen_until_us > scheduler.time_us) return false;
    if (random.per_mille(faults.deaths)) {
        die(program);
    } else if (random.per_mille(faults.cuts)) {
        if (tracing_) note(fmt::format("{} loses the broker's connection", program.process.name));
        broker.cut(program.process);
    } else if (random.per_mille(faults.freezes)) {
        freeze(program);
    } else if (program.kind != Program::Kind::reserver && random.per_mille(faults.rule_changes)) {
        change_rules(program);
    } else if (random.per_mille(faults.offers)) {
        change_offer();
    } else {
        return false;
    }
    return true;
}

void World::die(Program& program) {
    if (tracing_) note(fmt::format("{} dies", program.process.name));
    scheduler.kill(program.process);
    program.outbox.clear();
    broker.cut(program.process);
    program.restarts_at_us = scheduler.time_us + random.between(1, 3'000) * ms;
}

/// Long enough, and the server ends what the process has open.
void World::freeze(Program& program) {
    const auto time_us = random.between(1, random.per_cent(50) ? 3'000 : 30'000) * ms;
    if (tracing_) note(fmt::format("{} freezes for {} ms", program.process.name, time_us / ms));
    program.process.frozen_until_us = scheduler.time_us + time_us;
    if (time_us < idle_in_transaction_us) return;
    for (auto* work : database.open_works) {
        if (work->process != &program.process) continue;
        database.roll_back(*work);
        work->broken = true;
    }
}

void World::change_rules(Program& program) {
    program.rules = some_rules(random);
    if (tracing_) note(fmt::format("{} gets rules {}", program.process.name, program.rules->set().version));
}

/// Its seller takes an offer away, or brings it back.
void World::change_offer() {
    auto entry = std::next(offers.begin(), static_cast<std::ptrdiff_t>(random.below(offers.size())));
    auto of_sku = *entry->second;
    auto& offer = of_sku[random.below(of_sku.size())];
    offer.active = !offer.active;
    if (tracing_)
        note(fmt::format("{}/{} is {}", offer.seller_id, offer.sku, offer.active ? "active" : "inactive"));
    entry->second = std::make_shared<const std::vector<catalogue::Offer>>(std::move(of_sku));
}

void World::start_what_is_due(bool all) {
    for (const auto& program : programs) {
        if (program->process.alive || (!all && program->restarts_at_us > scheduler.time_us)) continue;
        program->process.alive = true;
        program->in_flight.clear();
        start_actors(*this, *program);
    }
}

/// Nothing fails any more, who is frozen wakes up; everything comes to rest or never will.
void World::calm() {
    stormy_ = false;
    if (tracing_) note("calm");
    const auto rules = programs.back()->rules;
    for (const auto& program : programs) program->rules = rules;
    start_what_is_due(true);
    const auto until_us = scheduler.time_us + calm_max_us;
    const auto turns_until = steps + calm_turns_max;
    while (!promises.first_broken() && !quiet() && scheduler.time_us < until_us && steps < turns_until) {
        begin_turn(true);
        if (!to_send.empty()) send_one();
        if (!scheduler.turn()) let_time_pass();
    }
    if (promises.first_broken()) return;
    promises.at_end();
    if (!quiet()) promises.broken("there is no rest:" + broker.contents());
}

bool World::quiet() const {
    if (!to_send.empty() || !broker.empty() || !database.open_works.empty()) return false;
    for (const auto& program : programs) {
        if (!program->outbox.empty() || program->process.frozen_until_us > scheduler.time_us) return false;
    }
    for (const auto& program : programs) {
        for (const auto& [lane, batches] : program->in_flight) {
            if (batches > 0) return false;
        }
    }
    for (const auto& [stream, slot] : database.streams.slots()) {
        const auto* row = database.deliveries.find(stream, nullptr);
        if (slot.committed && (row == nullptr || row->last_delivered != slot.committed->last_assigned))
            return false;
    }
    return true;
}

}  // namespace cartwright::model
