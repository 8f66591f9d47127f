// The broker's management API, one virtual host (https://www.rabbitmq.com/docs/management).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/amqp/topology.hpp"
#include "common/codec/management.hpp"
#include "common/http/client.hpp"

namespace cartwright::operating {

/// Each call throws outcome::Unavailable when nobody answers, outcome::Refused when the answer is no.
class Broker {
  public:
    explicit Broker(std::string url);

    std::vector<codec::ManagedExchange> exchanges();
    std::vector<codec::ManagedQueue> queues();
    std::vector<codec::ManagedBinding> bindings();
    std::vector<codec::ManagedPolicy> policies();
    std::vector<codec::ManagedPermission> permissions();

    void put_exchange(const std::string& name, const std::string& type,
                      const std::string& alternate_exchange);
    void put_queue(const std::string& name);
    void put_policy(const amqp::Policy& policy);
    void bind(const amqp::Binding& binding);
    /// Makes the user, or gives it this password.
    void put_user(const std::string& name, const std::string& password);
    void put_permission(const codec::ManagedPermission& permission);
    /// What is not there is as good as deleted.
    void delete_exchange(const std::string& name);
    void delete_queue(const std::string& name);
    void delete_policy(const std::string& name);
    void unbind(const codec::ManagedBinding& binding);

  private:
    std::string call(const std::string& method, const std::string& path, const std::string& body,
                     const std::set<int>& good);

    std::string url_;
    http::Client client_;
};

}  // namespace cartwright::operating
