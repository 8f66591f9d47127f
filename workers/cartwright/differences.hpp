// What differs between the topology that is wanted and the broker's.
#pragma once

#include <string>
#include <vector>

#include "common/amqp/topology.hpp"
#include "workers/cartwright/broker.hpp"

namespace cartwright::operating {

/// One sentence each. The management API learns of a policy's effect with a queue's next statistics, some
/// seconds late: where only that differs, it is asked again for up to 15 s.
std::vector<std::string> differences(Broker& broker, const amqp::Topology& wanted);

/// Bindings of the fleet's queues to named exchanges that the topology does not have.
std::vector<codec::ManagedBinding> stray_bindings(Broker& broker, const amqp::Topology& wanted);

}  // namespace cartwright::operating
