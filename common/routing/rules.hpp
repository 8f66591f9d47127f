// Routing rules: what chooses a stream for a message before it is numbered, and where a stream goes. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/order/cart.hpp"
#include "common/routing/stream.hpp"

namespace cartwright::routing {

/// The two destinations that always exist.
inline constexpr std::string_view shared_destination = "shared";  ///< the shared queues `sellers.NN`
inline constexpr std::string_view own_destination = "own";        ///< the seller's own queue `seller.<id>`

/// An HTTP endpoint of a seller's.
struct Endpoint {
    std::string url;
    std::vector<std::string> secrets;  ///< keys as bytes; each of them signs, the first is the newest
    std::size_t calls_max = 4;         ///< at once
    std::chrono::milliseconds connect_timeout{3'000};
    std::chrono::milliseconds total_timeout{10'000};
    std::string ca_file;  ///< trusted instead of the system's authorities; empty: those
    bool private_addresses =
        false;  ///< loopback, link-local and private addresses and plain http are allowed
};

struct Fallback {
    std::string to;
    std::chrono::milliseconds after{0};  ///< of nothing but failures
};

/// Its name stands for the receiver: numbers that were tried there are never tried elsewhere.
struct Destination {
    enum class Kind { shared_queue, own_queue, endpoint };
    std::string name;
    Kind kind = Kind::shared_queue;
    Endpoint endpoint;                 ///< of kind endpoint
    std::optional<Fallback> fallback;  ///< where a stream goes when this one keeps failing
};

/// A text, or with `prefix` every text that begins with it.
struct Pattern {
    std::string text;
    bool prefix = false;
    bool operator==(const Pattern&) const = default;
    bool matches(std::string_view value) const;
};

/// A condition that is absent holds. A list holds when one of its patterns matches; for tags and what lines
/// have, when it matches any of them.
struct Match {
    std::vector<Pattern> seller{}, stream{}, region{}, tag{}, channel{}, currency{}, sku{}, category{},
        warehouse{};
    std::optional<std::int64_t> value_minor_from{}, value_minor_to{};  ///< inclusive
};

struct StreamRule {
    std::string name;
    Match match;
    StreamName stream;
};

struct DeliveryRule {
    std::string name;
    Match match;  ///< seller and stream only
    std::string destination;
};

/// What a rule can match on: one seller's part of an order.
struct Facts {
    std::string_view seller, region, channel, currency;
    std::vector<std::string_view> tags, skus, categories, warehouses;
    std::int64_t value_minor = 0;
};
Facts facts_of(const Order& order, const SellerPart& part);

/// What was chosen, and by which rule; nothing: by default. The rule belongs to the rule set.
struct StreamChoice {
    StreamName stream;
    const StreamRule* rule = nullptr;
};
struct DestinationChoice {
    const Destination* destination = nullptr;
    const DeliveryRule* rule = nullptr;
};

/// Everything that rule files say, valid as a whole.
struct RuleSet {
    std::string version;  ///< the same for the same content
    std::vector<StreamRule> streams;
    std::vector<DeliveryRule> deliveries;
    std::map<std::string, Destination, std::less<>> destinations;  ///< with `shared` and `own`
};

/// A rule set made ready for matching: the cost of a choice does not grow with rules that name other sellers,
/// SKUs and so on. Immutable; any thread.
class Rules {
  public:
    /// The rule set of no rules: stream `main`, destination `shared`.
    Rules();
    explicit Rules(RuleSet set);
    ~Rules();
    Rules(Rules&&) noexcept;
    Rules& operator=(Rules&&) noexcept;

    StreamChoice choose_stream(const Order& order, const SellerPart& part) const;
    StreamChoice choose_stream(const Facts& facts) const;
    DestinationChoice choose_destination(std::string_view seller, std::string_view stream) const;
    /// Null when there is no such destination.
    const Destination* destination(std::string_view name) const;
    const RuleSet& set() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Does the rule's match hold for a message? The plain reading of it, for explanations and as a reference.
bool holds(const Match& match, const Facts& facts);
bool holds(const Match& match, std::string_view seller, std::string_view stream);
/// The first condition that does not hold, for people ("region is south, not north"); empty when all do.
std::string why_not(const Match& match, const Facts& facts);
std::string why_not(const Match& match, std::string_view seller, std::string_view stream);
/// True only if every message that `later` matches is matched by `earlier` too.
bool covers(const Match& earlier, const Match& later);
/// A rule that is never reached, and the first of those before it that match all that it does; as positions.
struct Covered {
    std::size_t rule = 0, by = 0;
    bool operator==(const Covered&) const = default;
};
std::vector<Covered> covered(const std::vector<StreamRule>& rules);
std::vector<Covered> covered(const std::vector<DeliveryRule>& rules);

}  // namespace cartwright::routing
