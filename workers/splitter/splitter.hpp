// Orders and cancellations in, numbered messages to sellers out.
#pragma once

#include <memory>

#include "common/metrics/metrics.hpp"
#include "common/postgres/append_first.hpp"
#include "common/postgres/session.hpp"
#include "common/routing/rules_source.hpp"
#include "common/worker/handler.hpp"
#include "common/worker/packing.hpp"
#include "workers/splitter/config.hpp"

namespace cartwright::splitter {

/// Takes order.ready and order.cancelled. Numbers, claims and stores in one transaction, of which nothing
/// remains where somebody else has claimed; a repeat publishes the stored bytes again. A partial
/// cancellation whose order is not split yet waits on the ladder.
class Handler : public worker::Handler {
  public:
    Handler(std::unique_ptr<postgres::Session> session, routing::RulesSource rules, const Config& config);
    worker::Result handle(std::span<const worker::Member> batch) override;

  private:
    std::unique_ptr<postgres::Session> session_;
    postgres::AppendFirst append_first_;
    routing::RulesSource rules_;
    worker::PackLimits limits_;
    metrics::Counter numbered_, repeated_;
};

}  // namespace cartwright::splitter
