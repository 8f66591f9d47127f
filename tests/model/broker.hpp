// A broker without a server: queues that give their messages to whoever asks, keep what is not acknowledged,
// and give it again when the consumer's connection is cut.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/amqp/message.hpp"
#include "tests/model/scheduler.hpp"

namespace cartwright::model {

struct Letter {
    std::string body, reply_to, correlation_id;
    std::string label;  ///< for traces
    std::int64_t attempts = 0;
    std::int64_t due_us = 0;  ///< on a ladder until then
    std::int64_t delivery_count = 0;
    bool redelivered = false;
};

struct Queue {
    std::string name;
    std::deque<Letter> letters;
};
using Queues = std::vector<Queue*>;

struct Delivered {
    std::uint64_t tag = 0;
    std::uint64_t connection = 0;
    Queue* queue = nullptr;
    Letter letter;
};

class Broker {
  public:
    Broker(Scheduler& scheduler, Random& random) : scheduler_(scheduler), random_(random) {}

    /// How far from its head a queue may give a message: what a prefetch of several consumers reorders.
    std::size_t reach = 3;

    /// Made when it is first named; lives as long as the broker.
    Queue& queue(const std::string& name);
    void put(const std::string& queue, Letter letter);
    bool has_any(const Queues& queues) const;
    /// When the first message of these queues comes off its ladder.
    std::int64_t next_due_us(const Queues& queues) const;
    std::optional<Delivered> take(const Queues& queues, Process& process);
    void acknowledge(const Delivered& delivered, const Process& process);
    /// Everything that the process has not acknowledged goes back to where it was.
    void cut(Process& process);
    bool empty() const;
    /// What still stands somewhere, for people.
    std::string contents() const;

  private:
    struct Given {
        Process* process;
        Delivered delivered;
    };
    Scheduler& scheduler_;
    Random& random_;
    std::map<std::string, Queue> queues_;
    std::map<std::uint64_t, Given> given_;
    std::uint64_t last_tag_ = 0;
};

}  // namespace cartwright::model
