// Delivering streams in sequence: what is published of each, and how far it then is. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/routing/stream.hpp"

namespace cartwright::routing {

/// What a batch says of one stream: numbers with their bytes, and how far the stream reaches at least.
struct Doorbell {
    std::int64_t target = 0;
    std::map<std::int64_t, std::string> bodies;
};

/// A stream's row under its lock: numbers after `from` up to `to` are to be delivered now.
struct Claim {
    StreamKey stream;
    std::int64_t from = 0;
    std::int64_t to = 0;
    bool held = false;           ///< waits for its next attempt: nothing is delivered
    std::int64_t attempts = 0;  ///< failed runs before this one
};

/// One message to publish.
struct Sending {
    StreamKey stream;
    std::int64_t number = 0;
    std::string body;
};

/// What came of a stream in this run.
struct Progress {
    std::int64_t delivered = 0;  ///< every number up to here was accepted
    bool failed = false;         ///< its first message after that was not
    std::string trouble;
};

/// Numbers that are to be delivered and that the batch did not bring.
std::vector<std::pair<StreamKey, std::int64_t>> missing(const std::vector<Claim>& claims,
                                                        const std::map<StreamKey, Doorbell>& doorbells);

/// The run: each stream ascending from its claim without a gap. A stream stops where a message is not at hand.
std::vector<Sending> plan(const std::vector<Claim>& claims, std::map<StreamKey, Doorbell>& doorbells);

/// How far each claimed stream got. `troubles` has a text a sending, empty where it was accepted. A run counts up to its
/// first trouble only: what was accepted behind it is sent again, an exact repeat.
std::map<StreamKey, Progress> progress(const std::vector<Claim>& claims, std::span<const Sending> run,
                                       std::span<const std::string> troubles);

}  // namespace cartwright::routing
