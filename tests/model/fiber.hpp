// Something that runs on a stack of its own and gives way by itself.
#pragma once

#include <functional>
#include <memory>

namespace cartwright::model {

/// Belongs to the thread that made it. Its body has ended before it is destroyed, and lets no exception out.
class Fiber {
  public:
    explicit Fiber(std::function<void()> body);
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// From outside of any fiber: runs the body until it gives way or ends.
    void resume();
    /// From within: returns when it is resumed.
    void give_way();
    bool ended() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::model
