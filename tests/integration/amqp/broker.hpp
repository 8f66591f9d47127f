// The tests' own way to the broker: queues with random names that go away, and a look into them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/amqp/connection_settings.hpp"
#include "common/amqp/message.hpp"

namespace cartwright::amqp::tests {

/// AMQP_URL; ends the test when there is none.
std::string broker_url();
/// Another variable, for cases that need more; says that the case is skipped when there is none.
std::optional<std::string> variable(const char* name);
/// Short times, so that tests of trouble are quick.
ConnectionSettings settings(const std::string& url = broker_url());
std::string random_name(const std::string& prefix = "test");
/// Looks again and again until the condition holds; false after the time.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds time = std::chrono::seconds(30));

/// One connection for one test; deletes at the end what it declared.
class Broker {
  public:
    using Arguments = std::map<std::string, std::variant<std::string, std::int64_t>>;

    explicit Broker(const std::string& url = broker_url());
    ~Broker();
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    /// A quorum queue with a random name.
    std::string quorum_queue(Arguments arguments = {});
    void declare_queue(const std::string& name, Arguments arguments);
    std::string exchange(const std::string& type);
    void declare_exchange(const std::string& name, const std::string& type);
    void bind(const std::string& queue, const std::string& exchange, const std::string& key);
    void delete_queue(const std::string& name);
    void delete_exchange(const std::string& name);
    /// Ready messages.
    std::uint64_t depth(const std::string& queue);
    /// Takes out everything that is ready; bodies in order.
    std::vector<std::string> take_all(const std::string& queue);
    /// Confirmed. The body is also the message id.
    void publish(const std::string& queue, const std::vector<std::string>& bodies);
    void publish(const std::string& exchange, const std::string& key, const std::string& body);
    /// Gives every ready message back once, so that its delivery count rises.
    void give_back_all(const std::string& queue);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

Outgoing message_to(const std::string& queue, const std::string& body);

}  // namespace cartwright::amqp::tests
