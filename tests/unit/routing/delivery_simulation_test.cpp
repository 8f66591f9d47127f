// Several routers on one database and one broker, with everything that can go wrong: shuffled, repeated and
// lost doorbells, refusals, cut connections whose last messages arrive late, deaths between publish and
// commit.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "common/routing/delivery.hpp"

using namespace cartwright;
using namespace cartwright::routing;

namespace {

struct Row {
    std::int64_t delivered = 0;
    std::int64_t attempts = 0;
    std::optional<std::int64_t> next_attempt_at;
};

struct Ring {
    StreamKey stream;
    std::int64_t number = 0;
    std::int64_t attempts = 0;
    std::int64_t due = 0;
};

struct Chances {
    unsigned refusal = 0, cut = 0, death = 0, full = 0,
             lost_doorbell = 0;  ///< per cent of turns, or of doorbells
    bool sweep = true;
};

/// What every router shares.
struct World {
    std::mt19937 random;
    Chances chances;
    std::int64_t time = 0;
    std::map<StreamKey, std::int64_t> assigned;
    std::map<StreamKey, Row> rows;
    std::vector<Ring> queue, ladder;
    std::map<StreamKey, std::vector<std::int64_t>> arrivals;
    std::deque<std::vector<std::pair<StreamKey, std::int64_t>>>
        late;  ///< still in the buffers of a cut connection

    bool chance(unsigned per_cent) { return random() % 100 < per_cent; }
    std::size_t queue_of(const StreamKey& stream) const { return shared_queue_of(stream.seller_id, 2); }

    void arrive_late() {
        if (late.empty()) return;
        for (const auto& [stream, number] : late.front()) arrivals[stream].push_back(number);
        late.pop_front();
    }
};

class Router {
  public:
    explicit Router(World& world) : world_(world) {}

    void turn(std::vector<Ring> batch) {
        Doorbells doorbells;
        for (const auto& ring : batch) {
            auto& doorbell = doorbells[ring.stream];
            doorbell.target = std::max(doorbell.target, ring.number);
            doorbell.contents[ring.number] = content(ring.stream, ring.number);
        }
        std::map<StreamKey, std::vector<Ring>> rung;
        for (const auto& ring : batch) rung[ring.stream].push_back(ring);
        const auto fate = deliver(doorbells, rung);
        // A lane that paused runs the same batch again; after a death the broker gives it to anybody.
        if (fate == Fate::interrupted) again.insert(again.end(), batch.begin(), batch.end());
        if (fate == Fate::died) world_.queue.insert(world_.queue.end(), batch.begin(), batch.end());
    }

    void sweep() {
        Doorbells doorbells;
        for (const auto& [stream, assigned] : world_.assigned) {
            const auto& row = world_.rows[stream];
            if (row.delivered < assigned && row.next_attempt_at.value_or(0) <= world_.time) {
                doorbells[stream].target = assigned;
            }
        }
        std::map<StreamKey, std::vector<Ring>> nobody;
        if (!doorbells.empty()) deliver(doorbells, nobody);
    }

  private:
    enum class Fate { lived, interrupted, died };

    static Content content(const StreamKey& stream, std::int64_t number) {
        return {"type", stream.seller_id.str() + "/" + std::to_string(number)};
    }

    Fate deliver(Doorbells& doorbells, const std::map<StreamKey, std::vector<Ring>>& rung) {
        const auto full = world_.chance(world_.chances.full) ? world_.random() % 2 : 2;
        for (auto& [stream, doorbell] : doorbells) {
            if (const auto more = unfinished_.find(stream); more != unfinished_.end()) {
                doorbell.target = std::max(doorbell.target, more->second);
            }
            if (world_.queue_of(stream) == full) doorbell.blocked = "full";
        }
        const auto claims = claim(doorbells);
        for (const auto& [stream, number] : missing(claims, doorbells)) {
            REQUIRE(number <= world_.assigned.at(stream));
            doorbells.at(stream).contents.emplace(number, content(stream, number));
        }
        const auto run = plan(claims, doorbells);
        for (const auto& sending : run)
            REQUIRE(sending.content.body == content(sending.stream, sending.number).body);
        const auto outcomes = publish(run);
        if (world_.chance(world_.chances.death)) {
            unfinished_.clear();
            // What waited on this lane was not acknowledged either.
            world_.queue.insert(world_.queue.end(), again.begin(), again.end());
            again.clear();
            return Fate::died;
        }
        const auto got = progress(claims, doorbells, run, outcomes);
        commit(claims, got);
        for (const auto& one : claims) remember(one, got.at(one.stream), doorbells.at(one.stream).target);
        const bool interrupted = std::any_of(
            got.begin(), got.end(), [](const auto& entry) { return entry.second.stop == Stop::interrupted; });
        if (interrupted) return Fate::interrupted;
        for (const auto& one : claims) reply(one, got.at(one.stream), rung);
        return Fate::lived;
    }

    /// As the claiming statement does.
    std::vector<Claim> claim(const Doorbells& doorbells) {
        std::vector<Claim> claims;
        const auto allowed = allowances(doorbells, 12, 5);
        for (const auto& [stream, doorbell] : doorbells) {
            auto& row = world_.rows[stream];
            const bool held = row.next_attempt_at.value_or(0) > world_.time;
            auto to = row.delivered;
            if (!held && doorbell.blocked.empty()) {
                const auto most = row.delivered + (row.attempts > 0 ? 1 : allowed.at(stream));
                to = std::max(row.delivered, std::min(doorbell.target, most));
            }
            claims.push_back(
                {stream, row.delivered, to, held, row.next_attempt_at.has_value(), row.attempts});
        }
        return claims;
    }

    /// A queue that refuses refuses the rest of a run; a connection that is cut confirms no more, and what it
    /// still had in its buffers arrives late or never.
    std::vector<Outcome> publish(const std::vector<Sending>& run) {
        std::vector<Outcome> outcomes(run.size());
        const auto refuses_from =
            world_.chance(world_.chances.refusal) ? world_.random() % (run.size() + 1) : run.size();
        const auto refusing = world_.random() % 2;
        const bool cut = world_.chance(world_.chances.cut);
        const auto answered = cut ? world_.random() % (run.size() + 1) : run.size();
        const auto arrived = cut ? answered + world_.random() % (run.size() - answered + 1) : run.size();
        std::vector<std::pair<StreamKey, std::int64_t>> tail;
        for (std::size_t i = 0; i < run.size(); ++i) {
            const bool refused = i >= refuses_from && world_.queue_of(run[i].stream) == refusing;
            if (refused) outcomes[i] = {Stop::failed, "refused"};
            if (i >= answered) outcomes[i] = {Stop::interrupted, "cut"};
            if (refused) continue;
            if (i < arrived) {
                world_.arrivals[run[i].stream].push_back(run[i].number);
            } else {
                tail.emplace_back(run[i].stream, run[i].number);
            }
        }
        if (!tail.empty() && world_.chance(50)) world_.late.push_back(std::move(tail));
        return outcomes;
    }

    void commit(const std::vector<Claim>& claims, const ByStream<Progress>& got) {
        for (const auto& one : claims) world_.rows[one.stream].delivered = one.to;
        Pauses pauses;
        pauses.failed_min = pauses.blocked = std::chrono::milliseconds(3);
        pauses.failed_max = std::chrono::milliseconds(20);
        for (const auto& mark : marks(claims, got, pauses)) {
            auto& row = world_.rows[mark.stream];
            row.delivered = mark.delivered;
            row.attempts = mark.attempts;
            row.next_attempt_at.reset();
            if (mark.pause) row.next_attempt_at = world_.time + mark.pause->count();
        }
    }

    void remember(const Claim& one, const Progress& got, std::int64_t target) {
        auto wanted = target;
        if (one.held_before && !one.held) wanted = std::max(wanted, world_.assigned.at(one.stream));
        const bool carries_on = !one.held && (got.stop == Stop::nothing || got.stop == Stop::interrupted);
        wanted_[one.stream] = wanted;
        if (got.delivered < wanted && carries_on) {
            unfinished_[one.stream] = wanted;
        } else {
            unfinished_.erase(one.stream);
        }
    }

    void reply(const Claim& one, const Progress& got, const std::map<StreamKey, std::vector<Ring>>& rung) {
        const auto rings = rung.find(one.stream);
        if (rings == rung.end()) return;
        std::vector<Bell> bells;
        for (const auto& ring : rings->second) bells.push_back({ring.number, ring.attempts > 0});
        const auto answers = replies(bells, one, got, wanted_.at(one.stream));
        int ringing = 0;
        for (std::size_t i = 0; i < answers.size(); ++i) {
            auto ring = rings->second[i];
            ringing += answers[i] == Reply::done ? 0 : 1;
            if (answers[i] == Reply::again) again.push_back(ring);
            if (answers[i] != Reply::later) continue;
            ring.due = world_.time + (std::int64_t{2} << std::min<std::int64_t>(ring.attempts, 4));
            ++ring.attempts;
            world_.ladder.push_back(ring);
        }
        REQUIRE(ringing <= 1);
    }

    World& world_;
    std::map<StreamKey, std::int64_t> unfinished_, wanted_;

  public:
    std::vector<Ring> again;  ///< has its next turn on this router
};

std::vector<Ring> take(World& world, Router& router) {
    std::vector<Ring> batch = std::exchange(router.again, {});
    std::erase_if(world.ladder, [&](const Ring& ring) {
        if (ring.due > world.time) return false;
        world.queue.push_back(ring);
        return true;
    });
    for (auto left = 1 + world.random() % 10; left > 0 && !world.queue.empty(); --left) {
        const auto which = world.random() % world.queue.size();
        batch.push_back(world.queue[which]);
        // Delivered again to somebody else later on, as after a cut connection.
        if (!world.chance(10)) world.queue.erase(world.queue.begin() + static_cast<std::ptrdiff_t>(which));
    }
    return batch;
}

void check_first_arrivals(const World& world) {
    for (const auto& [stream, numbers] : world.arrivals) {
        std::int64_t highest = 0;
        for (const auto number : numbers) {
            REQUIRE(number <= highest + 1);
            highest = std::max(highest, number);
        }
    }
}

void simulate(std::uint32_t seed, const Chances& chances) {
    World world;
    world.random.seed(seed);
    world.chances = chances;
    std::deque<Router> routers(3, Router(world));
    std::vector<StreamKey> streams;
    for (const char* seller : {"a", "b", "c", "d"}) streams.push_back({SellerId(seller), StreamName("main")});
    for (int step = 0; step < 300; ++step, ++world.time) {
        for (auto left = world.random() % 4; left > 0; --left) {
            const auto& stream = streams[world.random() % streams.size()];
            const Ring ring{stream, ++world.assigned[stream], 0, 0};
            if (!world.chance(chances.lost_doorbell)) world.queue.push_back(ring);
        }
        auto& router = routers[world.random() % routers.size()];
        router.turn(take(world, router));
        if (chances.sweep && world.chance(5)) router.sweep();
        if (world.chance(30)) world.arrive_late();
    }
    world.chances = {};
    for (int calm = 0; calm < 400; ++calm, world.time += 5) {
        for (auto& router : routers) router.turn(take(world, router));
        if (chances.sweep) routers[0].sweep();
        world.arrive_late();
    }
    check_first_arrivals(world);
    for (const auto& [stream, assigned] : world.assigned) {
        REQUIRE(world.rows[stream].delivered == assigned);
        REQUIRE(*std::max_element(world.arrivals[stream].begin(), world.arrivals[stream].end()) == assigned);
    }
    CHECK(world.ladder.empty());
    CHECK(world.queue.empty());
}

}  // namespace

TEST_CASE("with every trouble at once, first arrivals are in sequence and all arrive") {
    for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        simulate(seed,
                 {.refusal = 20, .cut = 15, .death = 15, .full = 15, .lost_doorbell = 10, .sweep = true});
    }
}

TEST_CASE("as long as no process dies, doorbells alone bring everything") {
    for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        simulate(seed,
                 {.refusal = 30, .cut = 15, .death = 0, .full = 20, .lost_doorbell = 0, .sweep = false});
    }
}
