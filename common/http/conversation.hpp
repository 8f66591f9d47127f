// What one client says and is answered on one connection, without the connection.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/http/server.hpp"

namespace cartwright::http {

/// Takes bytes in pieces of any size and makes the bytes to send. One request is handled at a time; what a
/// client sends ahead waits until its owner says that the answer has left.
class Conversation {
  public:
    struct State;

    /// Both outlive the conversation.
    Conversation(const RequestHandler& handler, const ServerLimits& limits);
    ~Conversation();
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    void receive(std::string_view bytes);
    /// The client sends no more, but may still read.
    void end_of_input();

    /// What is to be sent now; may be empty.
    std::string take_output();
    /// Everything taken has been sent.
    void output_sent();

    /// False while an answer is on its way: read no more until it has left.
    bool wants_input() const;
    /// True from a request's first byte until its answer has left.
    bool in_exchange() const;
    /// Nothing more will be said: send what is left, then close.
    bool finished() const;

  private:
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::http
