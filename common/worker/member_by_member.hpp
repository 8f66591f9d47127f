// Policy: what a batch can't do together, its members do alone, so that one bad message never fails its
// neighbours.
#pragma once

#include <functional>
#include <memory>

#include "common/worker/handler.hpp"

namespace cartwright::worker {

inline constexpr int batch_retries_max = 3;

/// Runs a batch again a few times on outcome::Retry; then, or at outcome::Refused, runs each member alone. A
/// member that is refused alone is parked (`refused_by_database`), one that still can't be done goes to the
/// ladder.
class MemberByMember : public Handler {
  public:
    struct Hooks {
        /// Called each time before the batch, or a member, is tried.
        std::function<void()> begins = [] {};
        /// Called when a try failed for another reason than that a server is away.
        std::function<void()> answered = [] {};
    };
    explicit MemberByMember(std::unique_ptr<Handler> inner, int retries_max = batch_retries_max);
    MemberByMember(std::unique_ptr<Handler> inner, int retries_max, Hooks hooks);
    Result handle(std::span<const Member> batch) override;
    void tick() override { inner_->tick(); }
    void finish(std::chrono::steady_clock::time_point deadline) override { inner_->finish(deadline); }

  private:
    Result one_by_one(std::span<const Member> batch);
    std::unique_ptr<Handler> inner_;
    int retries_max_;
    Hooks hooks_;
};

}  // namespace cartwright::worker
