// Who may be called next: streams that wait for their destination, bounded for each and in all.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/routing/stream.hpp"

namespace cartwright::router {

/// First come, first served within a destination, in turn between destinations. Each stream waits once.
class Line {
  public:
    Line(std::size_t calls_max, std::size_t failing_calls_max);

    /// `calls_max`: of this destination at once.
    void add(const std::string& destination, std::size_t calls_max, const routing::StreamKey& stream);

    struct Next {
        std::string destination;
        routing::StreamKey stream;
    };
    /// Up to `count` streams that may begin now; they count as begun until `ended`.
    std::vector<Next> next(std::size_t count);
    /// A stream's turn is over. A destination that failed gets one call, out of the failing ones' share,
    /// until one succeeds. One that was begun for nothing (`no_call`) says nothing about its destination.
    enum class End { no_call, succeeded, failed };
    void ended(const std::string& destination, End end);

    std::size_t waiting() const { return known_.size(); }

  private:
    struct Destination {
        std::deque<routing::StreamKey> waiting;
        std::size_t calls_max = 1;
        std::size_t begun = 0;
        bool failing = false;
        bool counted_failing = false;
    };
    bool may_begin(const Destination& destination) const;

    std::size_t calls_max_, failing_calls_max_;
    std::map<std::string, Destination> destinations_;
    std::set<routing::StreamKey> known_;
    std::size_t begun_ = 0, failing_begun_ = 0;
    std::string last_;  ///< destination that had the last turn
};

}  // namespace cartwright::router
