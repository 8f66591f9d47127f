// A gate between a client and the broker that can be cut, stalled, shut, and can speak for the broker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace cartwright::amqp::tests {

class TcpGate {
  public:
    explicit TcpGate(const std::string& broker_url);
    ~TcpGate();
    TcpGate(const TcpGate&) = delete;
    TcpGate& operator=(const TcpGate&) = delete;

    /// The broker's URL through the gate.
    const std::string& url() const;

    /// Closes every connection.
    void cut();
    /// While stalled nothing is read from either side.
    void stall(bool on);
    /// While held nothing of what the broker says comes through; the client is still read.
    void hold_answers(bool on);
    /// While shut new connections are closed at once.
    void shut(bool on);
    /// Sends whole frames to every client as if they came from the broker, between two frames of the broker.
    void inject(const std::string& frames);
    std::size_t connections() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A method frame: `arguments` are its encoded arguments.
std::string method_frame(std::uint16_t channel, std::uint16_t class_id, std::uint16_t method_id,
                         const std::string& arguments);

}  // namespace cartwright::amqp::tests
