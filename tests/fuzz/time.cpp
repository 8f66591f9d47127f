// Points in time in messages.
#include "common/order/time.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto time = from_rfc3339(text_of(data, size));
    if (!time) return 0;
    property(time->time_since_epoch().count() >= 0, "times before 1970 are none");
    const auto written = to_rfc3339(*time);
    property(from_rfc3339(written) == time, "a time that was written is the same");
    property(written.ends_with('Z') && written.size() <= 27, "times are written in UTC");
    return 0;
}
