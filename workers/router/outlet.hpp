// Where the router's messages go: the broker, or a stand-in for it in tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/amqp/control.hpp"
#include "common/amqp/publisher.hpp"

namespace cartwright::router {

/// One lane's thread.
class Outlet {
  public:
    virtual ~Outlet() = default;
    /// As amqp::Publisher::publish_in_order: once each, in order, one answer each.
    virtual std::vector<amqp::Confirm> publish(std::span<const amqp::Outgoing> messages,
                                               std::chrono::milliseconds deadline) = 0;
    /// Why nothing at all can be published now; empty when it can.
    virtual std::string trouble() const = 0;
    /// Messages that stand in a queue; nothing when there is no such queue. Throws outcome::Unavailable.
    virtual std::optional<std::uint64_t> depth(const std::string& queue) = 0;
    /// Makes a seller's own queue where there is none. Throws outcome::Unavailable or Refused.
    virtual void declare(const std::string& queue) = 0;
};

class BrokerOutlet : public Outlet {
  public:
    BrokerOutlet(amqp::Publisher& publisher, std::unique_ptr<amqp::Control> control);
    std::vector<amqp::Confirm> publish(std::span<const amqp::Outgoing> messages,
                                       std::chrono::milliseconds deadline) override;
    std::string trouble() const override;
    std::optional<std::uint64_t> depth(const std::string& queue) override;
    void declare(const std::string& queue) override;

  private:
    amqp::Publisher& publisher_;
    std::unique_ptr<amqp::Control> control_;
};

}  // namespace cartwright::router
