// Policy: while a server is away the whole lane waits for it; no message is charged an attempt.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/worker/handler.hpp"

namespace cartwright::worker {

/// Thrown out of a pause when the lane has to stop: nothing of the batch is acknowledged.
struct Stopped {};

class Pausing : public Handler {
  public:
    struct Hooks {
        std::function<void(const std::string& why)> paused;
        std::function<void()> resumed;
        /// Waits; false when the lane has to stop.
        std::function<bool(std::chrono::milliseconds)> wait;
    };
    Pausing(std::unique_ptr<Handler> inner, Hooks hooks);
    Result handle(std::span<const Member> batch) override;
    void tick() override { inner_->tick(); }
    void finish(std::chrono::steady_clock::time_point deadline) override { inner_->finish(deadline); }

  private:
    std::unique_ptr<Handler> inner_;
    Hooks hooks_;
};

/// Runs `work` until it no longer throws outcome::Unavailable, with growing pauses between.
void until_available(const Pausing::Hooks& hooks, const std::function<void()>& work);

}  // namespace cartwright::worker
