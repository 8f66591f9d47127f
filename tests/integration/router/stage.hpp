// A router on a real database, before sellers' queues that do what a test wants.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/splitter/streams.hpp"
#include "workers/router/router.hpp"

namespace cartwright::tests {

/// Thrown out of a publish: the process died there.
struct Death {};

/// What stands in the sellers' queues, and what they do to new messages. Shared by outlets on several
/// threads.
class Sellers {
  public:
    /// Asked for every message in turn; default: all are accepted.
    std::function<amqp::Confirm(const amqp::Outgoing&)> answer;
    /// Before a run, with its size: may throw Death or say after how many messages to die.
    std::function<std::size_t(std::size_t size)> dies_after;
    std::string trouble;
    std::map<std::string, std::uint64_t> depths;

    void declare(const std::string& queue);
    std::vector<std::string> declared();
    std::vector<amqp::Confirm> publish(std::span<const amqp::Outgoing> messages);
    /// Numbers as they arrived.
    std::vector<std::int64_t> arrivals(const std::string& seller);
    /// Every message that arrived, in order.
    std::vector<amqp::Outgoing> all();
    /// True when no number arrived before the one below it.
    bool in_sequence();

  private:
    std::mutex mutex_;
    std::vector<amqp::Outgoing> arrived_;
    std::vector<std::string> declared_;
};

class StandIn : public router::Outlet {
  public:
    explicit StandIn(Sellers& sellers) : sellers_(sellers) {}
    std::vector<amqp::Confirm> publish(std::span<const amqp::Outgoing> messages,
                                       std::chrono::milliseconds) override {
        return sellers_.publish(messages);
    }
    std::string trouble() const override { return sellers_.trouble; }
    std::optional<std::uint64_t> depth(const std::string& queue) override {
        const auto found = sellers_.depths.find(queue);
        return found == sellers_.depths.end() ? std::nullopt : std::optional(found->second);
    }
    void declare(const std::string& queue) override { sellers_.declare(queue); }

  private:
    Sellers& sellers_;
};

/// Short pauses, so that tests of trouble are quick; a sweep has the time that it needs.
router::Config quick();

/// Empty tables, one router, and the messages of orders that a splitter numbered.
class Stage {
  public:
    explicit Stage(const router::Config& config = quick());

    /// Has so many more orders numbered for each seller; their messages can then be rung.
    void number(const std::vector<std::string>& sellers, int orders);
    /// The message of a number, as the router's lane would read it.
    worker::Member message(const std::string& seller, std::int64_t number);
    std::vector<worker::Member> messages(const std::string& seller, const std::vector<std::int64_t>& numbers);
    std::vector<worker::Member> every_message() { return mail_.members(); }

    worker::Result ring(const std::string& seller, const std::vector<std::int64_t>& numbers);
    std::unique_ptr<router::Handler> another_router();
    /// One that never hears of other rules.
    std::unique_ptr<router::Handler> router_with(routing::RuleSet rules);
    /// From now on routers that are made, or were made with these rules, go by others.
    void change_rules(routing::RuleSet rules);
    /// Rules of one version in which these sellers' streams go to a destination of their own.
    static routing::RuleSet rules_of(const std::string& version,
                                     const std::map<std::string, std::string>& destination_by_seller);
    /// A column of a stream's row; "-" when it is null.
    static std::string row(const std::string& seller, const std::string& column);
    static std::int64_t delivered(const std::string& seller);
    /// The pause of a held stream is over.
    static void let_go(const std::string& seller);

    Sellers sellers;
    router::Config config;
    std::unique_ptr<router::Handler> router;

  private:
    std::shared_ptr<const routing::Rules> rules_now() const;

    mutable std::mutex mutex_;
    std::shared_ptr<const routing::Rules> rules_ = std::make_shared<const routing::Rules>();
    Mail mail_;
    std::map<std::pair<std::string, std::int64_t>, std::size_t> index_;
    int orders_ = 0;
};

std::vector<std::int64_t> from_to(std::int64_t first, std::int64_t last);
/// A member that comes from the ladder.
std::vector<worker::Member> from_ladder(std::vector<worker::Member> members);

}  // namespace cartwright::tests
