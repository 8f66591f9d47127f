// Claims are appended, because almost none is there already.
#pragma once

#include <chrono>

#include "common/postgres/session.hpp"

namespace cartwright::postgres {

/// Appending rows costs less than inserting them where they are not there, but one that is refuses them all.
/// After that, work is careful for some seconds: repeats seldom come alone. One thread.
class AppendFirst {
  public:
    using Clock = std::chrono::steady_clock;

    explicit AppendFirst(std::chrono::milliseconds careful_for = std::chrono::seconds(5))
        : careful_for_(careful_for) {}

    /// Calls `work(true)`, which may append what it has not looked up, in a transaction of its own; after a
    /// Duplicate, now or lately, `work(false)`.
    template <class Work>
    void run(const Work& work) {
        if (Clock::now() < careful_until_) return work(false);
        try {
            work(true);
        } catch (const Duplicate&) {
            careful_until_ = Clock::now() + careful_for_;
            work(false);
        }
    }

  private:
    std::chrono::milliseconds careful_for_;
    Clock::time_point careful_until_{};
};

}  // namespace cartwright::postgres
