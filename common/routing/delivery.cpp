#include "common/routing/delivery.hpp"

#include <algorithm>

#include "common/outcome/trouble.hpp"

namespace cartwright::routing {
namespace {

constexpr std::int64_t doublings_max = 20;

/// The bell that goes on ringing: one that is on the ladder already, else the highest number, which knows
/// most.
std::size_t carrier(std::span<const Bell> bells, bool prefer_ladder) {
    std::size_t best = 0;
    const auto rank = [&](const Bell& bell) {
        return std::pair(prefer_ladder && bell.from_ladder, bell.number);
    };
    for (std::size_t i = 1; i < bells.size(); ++i) {
        if (rank(bells[i]) > rank(bells[best])) best = i;
    }
    return best;
}

void interrupt_all(ByStream<Progress>& progress) {
    const auto interrupted = std::find_if(progress.begin(), progress.end(), [](const auto& entry) {
        return entry.second.stop == Stop::interrupted;
    });
    if (interrupted == progress.end()) return;
    const auto why = interrupted->second.trouble;
    for (auto& [stream, got] : progress) {
        if (got.stop == Stop::nothing) continue;
        got.stop = Stop::interrupted;
        got.trouble = why;
    }
}

}  // namespace

std::chrono::milliseconds pause_after(std::int64_t failures_before, const Pauses& pauses) {
    const auto factor = std::int64_t{1} << std::min(failures_before, doublings_max);
    return std::min(pauses.failed_max, pauses.failed_min * factor);
}

void forget_replaced(std::span<const Claim> claims, Doorbells& doorbells) {
    for (const auto& claim : claims) {
        if (claim.replaced > claim.from) doorbells.at(claim.stream).contents.erase(claim.replaced);
    }
}

ByStream<std::int64_t> allowances(const Doorbells& doorbells, std::int64_t run_max,
                                  std::int64_t catch_up_max) {
    ByStream<std::int64_t> result;
    if (doorbells.empty()) return result;
    std::int64_t brought = 0;
    for (const auto& [stream, doorbell] : doorbells)
        brought += static_cast<std::int64_t>(doorbell.contents.size());
    const auto rest = std::max<std::int64_t>(0, run_max - brought);
    const auto share = rest / static_cast<std::int64_t>(doorbells.size());
    for (const auto& [stream, doorbell] : doorbells) {
        const auto own = static_cast<std::int64_t>(doorbell.contents.size());
        result.emplace(stream, std::clamp<std::int64_t>(own + share, 1, catch_up_max));
    }
    return result;
}

std::vector<std::pair<StreamKey, std::int64_t>> missing(std::span<const Claim> claims,
                                                        const Doorbells& doorbells) {
    std::vector<std::pair<StreamKey, std::int64_t>> numbers;
    for (const auto& claim : claims) {
        const auto& contents = doorbells.at(claim.stream).contents;
        for (auto number = claim.from + 1; number <= claim.to; ++number) {
            if (!contents.contains(number)) numbers.emplace_back(claim.stream, number);
        }
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

std::vector<Sending> plan(std::span<const Claim> claims, Doorbells& doorbells) {
    std::vector<Sending> run;
    for (const auto& claim : claims) {
        auto& contents = doorbells.at(claim.stream).contents;
        for (auto number = claim.from + 1; number <= claim.to; ++number) {
            const auto content = contents.find(number);
            if (content == contents.end()) break;
            run.push_back({claim.stream, number, std::move(content->second)});
        }
    }
    return run;
}

ByStream<Progress> progress(std::span<const Claim> claims, const Doorbells& doorbells,
                            std::span<const Sending> run, std::span<const Outcome> outcomes) {
    CARTWRIGHT_ASSERT(run.size() == outcomes.size());
    ByStream<Progress> result;
    for (const auto& claim : claims) result[claim.stream].delivered = claim.from;
    for (std::size_t i = 0; i < run.size(); ++i) {
        auto& stream = result.at(run[i].stream);
        if (stream.stop != Stop::nothing) continue;
        if (outcomes[i].stop == Stop::nothing) {
            CARTWRIGHT_ASSERT(run[i].number == stream.delivered + 1);
            stream.delivered = run[i].number;
        } else {
            stream.stop = outcomes[i].stop;
            stream.trouble = outcomes[i].trouble;
            stream.refused = stream.stop == Stop::failed;
            stream.definite = stream.refused && outcomes[i].definite;
        }
    }
    for (const auto& claim : claims) {
        auto& stream = result.at(claim.stream);
        const auto& doorbell = doorbells.at(claim.stream);
        if (stream.stop != Stop::nothing || claim.held || !claim.routed) continue;
        if (stream.delivered < claim.to) {
            stream.stop = Stop::missing;
            stream.trouble = "a message with a smaller number is not in the database";
        } else if (!doorbell.blocked.empty() && stream.delivered < doorbell.target) {
            stream.stop = Stop::blocked;
            stream.trouble = doorbell.blocked;
        }
    }
    interrupt_all(result);
    return result;
}

std::vector<Mark> marks(std::span<const Claim> claims, const ByStream<Progress>& progress,
                        const Pauses& pauses) {
    std::vector<Mark> result;
    for (const auto& claim : claims) {
        const auto& got = progress.at(claim.stream);
        const bool in_trouble = claim.held_before || claim.attempts > 0;
        const bool recovered = in_trouble && got.delivered > claim.from;
        if (got.delivered == claim.to && got.stop == Stop::nothing && !recovered) continue;
        Mark mark;
        mark.stream = claim.stream;
        mark.delivered = got.delivered;
        mark.attempts = got.delivered > claim.from ? 0 : claim.attempts;
        if (got.stop == Stop::failed) mark.pause = pause_after(mark.attempts, pauses);
        if (got.stop == Stop::blocked) mark.pause = pauses.blocked;
        // Still in trouble, but due.
        if (!mark.pause && claim.held_before && !recovered) mark.pause = std::chrono::milliseconds{0};
        if (got.refused) ++mark.attempts;
        if (mark.pause || mark.attempts > 0) mark.trouble = got.trouble;
        if (mark.pause) mark.held_for = got.stop == Stop::blocked ? "full" : "failing";
        if (got.definite) mark.refused = got.delivered + 1;
        result.push_back(std::move(mark));
    }
    std::sort(result.begin(), result.end(), [](const Mark& a, const Mark& b) { return a.stream < b.stream; });
    return result;
}

std::vector<Reply> replies(std::span<const Bell> bells, const Claim& claim, const Progress& progress,
                           std::int64_t wanted) {
    std::vector<Reply> result(bells.size(), Reply::done);
    if (bells.empty()) return result;
    const auto on_ladder = carrier(bells, true);
    const bool rings_already = claim.held || claim.held_before;
    if (!claim.routed) {
        result[carrier(bells, false)] = Reply::again;
    } else if (claim.for_good) {
        return result;
    } else if (claim.held || progress.stop == Stop::failed || progress.stop == Stop::blocked) {
        if (!rings_already || bells[on_ladder].from_ladder) result[on_ladder] = Reply::later;
    } else if (progress.stop == Stop::missing) {
        result[carrier(bells, false)] = Reply::later;
    } else if (progress.delivered < wanted) {
        result[carrier(bells, false)] = Reply::again;
    }
    return result;
}

}  // namespace cartwright::routing
