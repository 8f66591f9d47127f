// One schedule: a fleet of the product's own handlers between a model database, a model broker and model
// endpoints, with clients, faults and a judge. Everything that happens follows from the seed.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/catalogue/catalogue.hpp"
#include "common/routing/rules.hpp"
#include "tests/model/broker.hpp"
#include "tests/model/database.hpp"
#include "tests/model/endpoints.hpp"
#include "tests/model/mutation.hpp"
#include "tests/model/promises.hpp"
#include "tests/model/random.hpp"
#include "tests/model/scheduler.hpp"

namespace cartwright::model {

/// What the clients send, and what they asked for.
struct ClientMessage {
    std::string queue;
    Letter letter;
};

/// A message under way from a lane to the broker.
struct Mail {
    std::vector<Delivered> finished;  ///< acknowledged when the last of `open` is confirmed
    std::size_t open = 0;
};
struct Outbound {
    amqp::Outgoing message;
    std::shared_ptr<Mail> mail;
    std::int64_t due_us = 0;
    std::size_t* in_flight = nullptr;  ///< its lane's batches that wait for confirms
};

/// A program of the fleet with its publisher.
struct Program {
    enum class Kind { reserver, splitter, router } kind = Kind::reserver;
    Process process;
    std::deque<Outbound> outbox;
    std::map<std::string, std::size_t> in_flight;  ///< batches of a lane that wait for confirms
    std::shared_ptr<const routing::Rules> rules;
    std::int64_t restarts_at_us = 0;
};

/// What may go wrong in a schedule, and how often.
struct Faults {
    unsigned deaths = 0, cuts = 0, freezes = 0, rule_changes = 0, offers = 0;  ///< of 1000 turns
    unsigned database = 0;       ///< of 1000 statements and commits: the connection is lost
    unsigned nacks = 0;          ///< of 100 publishes
    unsigned seller_queues = 0;  ///< of 100 runs: the queue stops taking somewhere in it
    unsigned endpoints = 0;      ///< of 100 calls
};

class World {
  public:
    /// `set_up` fills it; without one, as the seed says.
    World(std::uint64_t seed, Mutation mutation, bool tracing,
          const std::function<void(World&)>& set_up = {});
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// Runs the schedule to its end; the first broken promise, or nothing.
    std::optional<std::string> run();
    /// No faults from here on: runs until everything has come to rest, and judges it.
    void calm();
    /// This program dies at the next turn.
    void doom(Program& program) { doomed_ = &program; }
    /// Told of every commit, after the judge.
    std::function<void(const Work&)> committed;

    bool is(Mutation mutation) const { return mutation_ == mutation; }
    Mutation mutation() const { return mutation_; }
    bool tracing() const { return tracing_; }
    /// A line of the trace: when, who, what.
    void note(const std::string& what);
    const std::vector<std::string>& trace() const { return trace_; }
    /// In the calm at the end nothing fails any more.
    bool stormy() const { return stormy_; }
    std::string fresh_id() { return fmt::format("id-{}", ++last_id_); }

    Random random;
    Scheduler scheduler;
    Database database;
    Broker broker;
    Endpoints endpoints;
    Promises promises;
    Faults faults;

    std::map<Sku, catalogue::Offers> offers;
    std::map<SellerId, catalogue::Warehouses> warehouses;
    std::vector<std::unique_ptr<Program>> programs;
    std::deque<ClientMessage> to_send;
    std::uint64_t steps = 0;
    const bool remembers_for_ever;  ///< positions that a reserver saw: in every other schedule

  private:
    void storm();
    bool quiet() const;
    void storm_turn();
    bool fault();
    void send_one();
    void let_time_pass();
    void begin_turn(bool all);
    void die(Program& program);
    void freeze(Program& program);
    void start_what_is_due(bool all);
    void change_rules(Program& program);
    void change_offer();

    Mutation mutation_;
    bool tracing_;
    bool stormy_ = true;
    Program* doomed_ = nullptr;
    std::uint64_t last_id_ = 0;
    std::vector<std::string> trace_;
};

/// The world of this thread; it has one while a schedule runs.
World& world();
bool has_world();

/// Fills a fresh world: catalogue, stock, rules, what clients will send.
void populate(World& world);
/// What clients send: into the world's `to_send`, and known to its judge.
void add_cart(World& world, const Cart& cart, const std::string& reply_to);
void add_movement(World& world, const std::string& event_id, const message::StockMoved& moved);
void add_cancellation(World& world, const std::string& event_id,
                      const message::OrderCancellation& cancellation);
/// One more program, with its rules.
Program& add_program(World& world, Program::Kind kind, const std::string& name,
                     std::shared_ptr<const routing::Rules> rules);
/// A position with its ledger.
void add_stock(World& world, const std::string& seller, const std::string& sku, const std::string& warehouse,
               Number units);
/// Seller s1's streams go to `destination`: shared, own, or an endpoint e1 or e2.
std::shared_ptr<const routing::Rules> rules_to(const std::string& version, const std::string& destination,
                                               const std::string& fallback, bool two_streams);
/// One of the rule sets that a schedule may change to.
std::shared_ptr<const routing::Rules> some_rules(Random& random);

/// Actors of a program.
void start_actors(World& world, Program& program);

}  // namespace cartwright::model
