#include "common/routing/delivery.hpp"

#include <utility>

#include "common/outcome/trouble.hpp"

namespace cartwright::routing {

std::vector<std::pair<StreamKey, std::int64_t>> missing(const std::vector<Claim>& claims,
                                                        const std::map<StreamKey, Doorbell>& doorbells) {
    std::vector<std::pair<StreamKey, std::int64_t>> numbers;
    for (const auto& claim : claims) {
        const auto& bodies = doorbells.at(claim.stream).bodies;
        for (auto number = claim.from + 1; number <= claim.to; ++number) {
            if (!bodies.contains(number)) numbers.emplace_back(claim.stream, number);
        }
    }
    return numbers;
}

std::vector<Sending> plan(const std::vector<Claim>& claims, std::map<StreamKey, Doorbell>& doorbells) {
    std::vector<Sending> run;
    for (const auto& claim : claims) {
        auto& bodies = doorbells.at(claim.stream).bodies;
        for (auto number = claim.from + 1; number <= claim.to; ++number) {
            const auto body = bodies.find(number);
            if (body == bodies.end()) break;
            run.push_back({claim.stream, number, std::move(body->second)});
        }
    }
    return run;
}

std::map<StreamKey, Progress> progress(const std::vector<Claim>& claims, std::span<const Sending> run,
                                       std::span<const std::string> troubles) {
    CARTWRIGHT_ASSERT(run.size() == troubles.size());
    std::map<StreamKey, Progress> result;
    std::map<StreamKey, std::int64_t> wanted;
    for (const auto& claim : claims) {
        result[claim.stream].delivered = claim.from;
        wanted[claim.stream] = claim.to;
    }
    for (std::size_t i = 0; i < run.size(); ++i) {
        auto& stream = result.at(run[i].stream);
        if (stream.failed) continue;
        if (troubles[i].empty()) {
            CARTWRIGHT_ASSERT(run[i].number == stream.delivered + 1);
            stream.delivered = run[i].number;
        } else {
            stream.failed = true;
            stream.trouble = troubles[i];
        }
    }
    for (auto& [key, stream] : result) {
        if (stream.failed || stream.delivered == wanted.at(key)) continue;
        stream.failed = true;
        stream.trouble = "a numbered message is not in the database (yet)";
    }
    return result;
}

}  // namespace cartwright::routing
