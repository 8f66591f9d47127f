// Sellers' HTTP endpoints: calls that arrive or not, are answered or not, and outlive who made them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/http/caller.hpp"
#include "tests/model/scheduler.hpp"

namespace cartwright::model {

/// What one caller has under way; it may be gone before its calls are.
struct Calls {
    std::vector<http::CallResult> ended;
    std::size_t in_flight = 0;
    bool woken = false;
};

class Endpoints {
  public:
    /// So many calls from now on get no answer and do not arrive.
    std::size_t unanswered = 0;

    void call(std::shared_ptr<Calls> calls, std::uint64_t id, http::Call call);
    /// Lets due calls arrive and end; when the next one does.
    std::int64_t advance();

  private:
    struct UnderWay {
        std::shared_ptr<Calls> calls;
        std::uint64_t id = 0;
        http::Call call;
        std::int64_t arrives_us = 0, ends_us = 0;
        bool arrives = true;
        bool accepted = false;
        http::CallEnd end = http::CallEnd::answered;
    };
    std::deque<UnderWay> under_way_;
};

}  // namespace cartwright::model
