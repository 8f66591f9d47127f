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
    /// Duplicate, now or lately, `work(false)`, and that again for a Duplicate that came in the meantime.
    template <class Work>
    void run(const Work& work) {
        if (Clock::now() >= careful_until_) {
            try {
                return work(true);
            } catch (const Duplicate&) {
                careful_until_ = Clock::now() + careful_for_;
            }
        }
        for (int run = 1;; ++run) {
            try {
                return work(false);
            } catch (const Duplicate&) {
                if (run == careful_runs_max) throw;
            }
        }
    }

  private:
    static constexpr int careful_runs_max = 100;  ///< each time somebody else has got on

    std::chrono::milliseconds careful_for_;
    Clock::time_point careful_until_{};
};

}  // namespace cartwright::postgres
