// What comes back from the ladder or from parking is handled by whoever handles it at first.
#pragma once

#include <memory>

#include "common/worker/handler.hpp"

namespace cartwright::reserver {

/// Hands each run of equal kinds to its handler; the order of arrival is kept.
class RetryHandler : public worker::Handler {
  public:
    RetryHandler(std::unique_ptr<worker::Handler> carts, std::unique_ptr<worker::Handler> movements,
                 std::unique_ptr<worker::Handler> fill);
    worker::Result handle(std::span<const worker::Member> batch) override;

  private:
    worker::Handler& handler_of(const worker::Member& member);
    std::unique_ptr<worker::Handler> carts_, movements_, fill_;
};

}  // namespace cartwright::reserver
