#include "common/order/time.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace cartwright;
using namespace std::chrono_literals;
using std::chrono::sys_days;

namespace {

/// As the fleet writes it again; "" when it is not read.
std::string again(std::string_view text) {
    const auto time = from_rfc3339(text);
    return time ? to_rfc3339(*time) : "";
}

}  // namespace

TEST_CASE("the published examples") {
    CHECK(again("1985-04-12T23:20:50.52Z") == "1985-04-12T23:20:50.520000Z");
    CHECK(again("1996-12-19T16:39:57-08:00") == "1996-12-20T00:39:57Z");
    CHECK(again("1990-12-31T23:59:60Z") == "1991-01-01T00:00:00Z");
    CHECK(again("1990-12-31T15:59:60-08:00") == "1991-01-01T00:00:00Z");
    CHECK(again("1937-01-01T12:00:27.87+00:20").empty());  // before 1970
}

TEST_CASE("what it means") {
    CHECK(from_rfc3339("1970-01-01T00:00:00Z") == Timestamp{});
    CHECK(from_rfc3339("2026-01-31T23:59:59.123456Z") ==
          Timestamp{sys_days{2026y / 1 / 31} + 23h + 59min + 59s + 123'456us});
    CHECK(from_rfc3339("2026-03-01T01:30:00+02:00") == Timestamp{sys_days{2026y / 2 / 28} + 23h + 30min});
}

TEST_CASE("fractions of 1 to 9 digits are cut to microseconds") {
    CHECK(again("2026-01-01T00:00:00.5Z") == "2026-01-01T00:00:00.500000Z");
    CHECK(again("2026-01-01T00:00:00.000001Z") == "2026-01-01T00:00:00.000001Z");
    CHECK(again("2026-01-01T00:00:00.0000019Z") == "2026-01-01T00:00:00.000001Z");
    CHECK(again("2026-01-01T00:00:00.999999999Z") == "2026-01-01T00:00:00.999999Z");
    CHECK(again("2026-01-01T00:00:00.000000000Z") == "2026-01-01T00:00:00Z");
    CHECK(again("2026-01-01T00:00:00.Z").empty());
    CHECK(again("2026-01-01T00:00:00.1234567890Z").empty());
    CHECK(again("2026-01-01T00:00:00,5Z").empty());
}

TEST_CASE("offsets") {
    CHECK(again("2026-01-01t00:00:00z") == "2026-01-01T00:00:00Z");
    CHECK(again("2026-01-01 00:00:00Z") == "2026-01-01T00:00:00Z");
    CHECK(again("2026-01-01T00:00:00+00:00") == "2026-01-01T00:00:00Z");
    CHECK(again("2026-01-01T00:00:00-00:00") == "2026-01-01T00:00:00Z");
    CHECK(again("2026-01-01T00:00:00+23:59") == "2025-12-31T00:01:00Z");
    for (const auto* offset :
         {"", "+24:00", "+00:60", "+0000", "+00", "+1:00", "00:00", "ZZ", "Z ", "+00:00Z", " Z", "−01:00"}) {
        CAPTURE(offset);
        CHECK(again("2026-01-01T00:00:00" + std::string(offset)).empty());
    }
}

TEST_CASE("dates and clocks that there are not") {
    CHECK(again("2024-02-29T00:00:00Z") == "2024-02-29T00:00:00Z");
    CHECK(again("2000-02-29T00:00:00Z") == "2000-02-29T00:00:00Z");
    for (const auto* text : {"2026-02-29T00:00:00Z",
                             "2100-02-29T00:00:00Z",
                             "2026-04-31T00:00:00Z",
                             "2026-00-01T00:00:00Z",
                             "2026-13-01T00:00:00Z",
                             "2026-01-00T00:00:00Z",
                             "2026-01-32T00:00:00Z",
                             "2026-01-01T24:00:00Z",
                             "2026-01-01T00:60:00Z",
                             "2026-01-01T00:00:61Z",
                             "2026-1-1T00:00:00Z",
                             "26-01-01T00:00:00Z",
                             "+2026-01-01T00:00:00Z",
                             "2026-01-01",
                             "2026-01-01T00:00Z",
                             "2026-01-01T000000Z",
                             "20260101T00:00:00Z",
                             "2026-01-01T-1:00:00Z",
                             "2026-01-01T00:00:00",
                             " 2026-01-01T00:00:00Z",
                             "",
                             "Z",
                             "now"}) {
        CAPTURE(text);
        CHECK(again(text).empty());
    }
    CHECK(again(std::string("2026-01-01T00:00:00Z\0", 21)).empty());
}

TEST_CASE("the years 1970 to 2200 are in, by what is meant and not by what is written") {
    CHECK(again("1970-01-01T00:00:00Z") == "1970-01-01T00:00:00Z");
    CHECK(again("2200-12-31T23:59:59.999999Z") == "2200-12-31T23:59:59.999999Z");
    CHECK(again("1969-12-31T23:59:59Z").empty());
    CHECK(again("2201-01-01T00:00:00Z").empty());
    CHECK(again("1970-01-01T00:30:00+01:00").empty());
    CHECK(again("1969-12-31T23:30:00-01:00").empty());
    CHECK(again("2200-12-31T23:30:00-01:00").empty());
    CHECK(again("2200-12-31T23:59:60Z").empty());
}

TEST_CASE("every instant is read back as it was written") {
    std::mt19937_64 engine(2026);
    const auto last = Timestamp{sys_days{2201y / 1 / 1}}.time_since_epoch().count() - 1;
    std::uniform_int_distribution<std::int64_t> instants(0, last);
    for (int round = 0; round < 20'000; ++round) {
        const Timestamp time{std::chrono::microseconds{instants(engine)}};
        REQUIRE(from_rfc3339(to_rfc3339(time)) == time);
        const auto whole = std::chrono::floor<std::chrono::seconds>(time);
        REQUIRE(from_rfc3339(to_rfc3339(whole)) == Timestamp{whole});
    }
}

TEST_CASE("now is written and read back as itself") {
    const auto time = now();
    CHECK(from_rfc3339(to_rfc3339(time)) == time);
    CHECK(time > Timestamp{sys_days{2024y / 1 / 1}});
}
