// Delays that double, with jitter.
#pragma once

#include <chrono>
#include <random>

namespace cartwright::amqp {

/// `minimum` doubled `attempts` times, at most `maximum`.
std::chrono::milliseconds doubled(std::chrono::milliseconds minimum, std::chrono::milliseconds maximum,
                                  unsigned attempts);

/// One delay after the other for one thing that is tried again and again.
class Backoff {
  public:
    Backoff(std::chrono::milliseconds minimum, std::chrono::milliseconds maximum);

    /// The next delay: between half of the doubled delay and all of it.
    std::chrono::milliseconds next();
    void reset() { attempts_ = 0; }

  private:
    std::chrono::milliseconds minimum_, maximum_;
    unsigned attempts_ = 0;
    std::minstd_rand random_;
};

}  // namespace cartwright::amqp
