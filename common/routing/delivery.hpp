// Delivering streams in sequence: what is sent of each, how far it then is, and who rings again. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/routing/stream.hpp"

namespace cartwright::routing {

/// A message as it is sent: its event type and its bytes.
struct Content {
    std::string type;
    std::string body;
};

/// What is known of one stream before its row is claimed.
struct Doorbell {
    std::int64_t target = 0;                   ///< numbers up to here are assigned
    std::map<std::int64_t, Content> contents;  ///< what is at hand; anything else is read from the database
    std::string blocked;                       ///< why nothing of it can be sent now; empty when it can
};

using Doorbells = std::map<StreamKey, Doorbell>;

/// How many messages each stream may send in one turn, so that all together are about `run_max`: what it
/// brought, and an equal share of the rest for catching up; at least 1, at most `catch_up_max`.
ByStream<std::int64_t> allowances(const Doorbells& doorbells, std::int64_t run_max,
                                  std::int64_t catch_up_max);

/// A stream's row under its lock: numbers after `from` up to `to` are to be delivered now, and the row says
/// so already.
struct Claim {
    StreamKey stream;
    std::int64_t from = 0;
    std::int64_t to = 0;
    bool held = false;          ///< waits for its next attempt: nothing is delivered
    bool held_before = false;   ///< it was held; whoever made that rings again
    std::int64_t attempts = 0;  ///< failed runs in a row; after one, `to` is at most `from` + 1
    bool for_good = false;      ///< held until a person resumes it, who rings then
    bool routed = true;         ///< false: its route is another than was believed; nothing is delivered
    std::int64_t replaced = 0;  ///< the newest number whose message was replaced since it was stored
};

/// One message to send.
struct Sending {
    StreamKey stream;
    std::int64_t number = 0;
    Content content;
};

/// Why a stream got no further.
enum class Stop {
    nothing,      ///< it got as far as was claimed
    failed,       ///< its destination did not take a message: the stream is held
    blocked,      ///< its destination takes nothing just now: the stream is held for a moment
    missing,      ///< a number is not in the database (yet)
    interrupted,  ///< nobody could be reached; not this stream's fault
};

/// What became of a sending; `nothing` when it was accepted.
struct Outcome {
    Stop stop = Stop::nothing;
    std::string trouble;
    bool definite = false;  ///< it certainly did not arrive
};

/// How far a stream is after a turn: every number up to `delivered` was accepted.
struct Progress {
    std::int64_t delivered = 0;
    Stop stop = Stop::nothing;
    std::string trouble;
    bool refused = false;   ///< its destination did not take a message, also when the turn was interrupted
    bool definite = false;  ///< that message certainly did not arrive
};

/// A doorbell's copy of a message that was replaced is worth nothing; the database has the right one.
void forget_replaced(std::span<const Claim> claims, Doorbells& doorbells);

/// Numbers that are to be delivered and are not at hand.
std::vector<std::pair<StreamKey, std::int64_t>> missing(std::span<const Claim> claims,
                                                        const Doorbells& doorbells);

/// The run: each stream ascending from its claim without a gap; it ends where a message is not at hand. The
/// contents are moved out of the doorbells.
std::vector<Sending> plan(std::span<const Claim> claims, Doorbells& doorbells);

/// How far each claimed stream got; `outcomes` has one a sending. A stream counts up to its first trouble
/// only: what was accepted behind it is sent again, an exact repeat. Where one stream is interrupted, every
/// one that stopped is: the batch comes again as a whole and holds them then, so that each hold has somebody
/// who rings.
ByStream<Progress> progress(std::span<const Claim> claims, const Doorbells& doorbells,
                            std::span<const Sending> run, std::span<const Outcome> outcomes);

struct Pauses {
    std::chrono::milliseconds failed_min{500};  ///< doubled with every failure in a row
    std::chrono::milliseconds failed_max{300'000};
    std::chrono::milliseconds blocked{1'000};
};

/// What a row must say where the claim's guess was wrong.
struct Mark {
    StreamKey stream;
    std::int64_t delivered = 0;
    std::int64_t attempts = 0;
    std::string trouble;                             ///< empty when there is none
    std::optional<std::chrono::milliseconds> pause;  ///< the stream is held for so long
    std::string held_for;                            ///< failing or full; empty when it is not held
    std::optional<std::int64_t> refused;             ///< the number that certainly was not taken
};

/// The pause after a failure that follows `failures_before` others.
std::chrono::milliseconds pause_after(std::int64_t failures_before, const Pauses& pauses);

/// In order of streams.
std::vector<Mark> marks(std::span<const Claim> claims, const ByStream<Progress>& progress,
                        const Pauses& pauses);

/// A message that rang for a stream.
struct Bell {
    std::int64_t number = 0;
    bool from_ladder = false;
};

/// What happens to it: it is done with (its message is delivered, or safe in the database), it rings again
/// after a pause, or at the lane's next turn.
enum class Reply { done, later, again };

/// One reply a bell. At most one rings again: on the ladder while the stream is in trouble, at once while
/// there is more to deliver than one turn may, up to `wanted`.
std::vector<Reply> replies(std::span<const Bell> bells, const Claim& claim, const Progress& progress,
                           std::int64_t wanted);

}  // namespace cartwright::routing
