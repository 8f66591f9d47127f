// Where streams go: what the rules want, and what is recorded.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/postgres/session.hpp"
#include "common/routing/route.hpp"
#include "common/routing/rules_source.hpp"
#include "common/routing/stream.hpp"

namespace cartwright::router {

/// What the rows of a stream are believed to say; a statement that finds another route does nothing.
struct Believed {
    std::string destination;
    std::string wished;
    std::optional<std::int64_t> next_from;  ///< numbers from here on go elsewhere
    bool operator==(const Believed&) const = default;
};

/// The recorded destination of a stream is the only one that counts: the rules merely propose, and only those
/// that were activated last. So while replicas differ, or a rule changes after a crash, no number goes to two
/// destinations. One thread.
class Routes {
  public:
    explicit Routes(routing::RulesSource source);

    /// Takes up the rules as they are now and registers them. At the beginning of every turn.
    void refresh(postgres::Session& session);
    Believed believed(const routing::StreamKey& stream) const;
    /// Null when the rules have no such destination (any more). Valid until the next refresh.
    const routing::Destination* destination(const std::string& name) const;
    std::shared_ptr<const routing::Rules> rules() const { return rules_; }

    /// Were these rules activated last, of all that routers have? Others know better where streams go.
    bool newest(postgres::Session& session) const;

    /// Makes the rows of streams that have none, in a transaction of its own, so that another router that
    /// makes the same ones waits for nothing else. Only such streams: an insert waits for whoever claims a
    /// row that is there. `streams` is sorted.
    void make_rows(postgres::Session& session, std::span<const routing::StreamKey> streams);
    /// For streams whose rows say something else: makes missing rows, follows the rules, puts switches into
    /// effect whose number is reached, and believes what is recorded. `streams` is sorted.
    void settle(postgres::Session& session, std::span<const routing::StreamKey> streams);
    /// Switches streams away from a destination that keeps failing, where they still go there. Sorted.
    void fall_back(postgres::Session& session, std::span<const routing::StreamKey> streams,
                   const std::string& from, const std::string& to, const std::string& reason);

  private:
    /// By the rules.
    std::map<routing::StreamKey, std::string> destinations(std::span<const routing::StreamKey> streams) const;
    void believe(const routing::StreamKey& stream, const routing::Route& route);

    routing::RulesSource source_;
    std::shared_ptr<const routing::Rules> rules_;
    std::optional<std::string> registered_;   ///< version of the rules that the database knows of
    routing::ByStream<Believed> exceptions_;  ///< streams that do not simply go where the rules say
};

}  // namespace cartwright::router
