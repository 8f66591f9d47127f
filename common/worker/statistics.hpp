// What the edges count, as metrics.
#pragma once

#include "common/amqp/consumer.hpp"
#include "common/amqp/publisher.hpp"
#include "common/catalogue/catalogue.hpp"

namespace cartwright::worker {

/// Copies the edges' statistics into metrics whenever they are exposed. The arguments live until the process
/// ends; `catalogue` may be null.
void export_statistics(const amqp::Publisher& publisher, const amqp::Consumer& consumer,
                       const catalogue::Catalogue* catalogue);

}  // namespace cartwright::worker
