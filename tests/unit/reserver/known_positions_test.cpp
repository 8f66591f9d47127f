#include "workers/reserver/known_positions.hpp"

#include <doctest/doctest.h>

using namespace cartwright;
using namespace cartwright::reserver;
using std::chrono::milliseconds;

namespace {

OfferKey offer(const std::string& sku) {
    return {SellerId("s1"), Sku(sku)};
}

KnownPosition with(std::int64_t on_hand, std::int64_t reserved) {
    return {WarehouseId("main"), on_hand, reserved, 0, 7};
}

const KnownPositions::Clock::time_point start{std::chrono::hours(1)};

}  // namespace

TEST_CASE("a position with plenty is remembered until it is old") {
    KnownPositions known({100, milliseconds(500), 10});
    CHECK(known.find(offer("A"), start) == nullptr);
    known.note(offer("A"), with(100, 20), 5, start);
    const auto* found = known.find(offer("A"), start + milliseconds(499));
    REQUIRE(found != nullptr);
    CHECK(found->warehouse == WarehouseId("main"));
    CHECK(found->on_hand == 100);
    CHECK(found->reserved == 20);
    CHECK(found->version == 7);
    CHECK(known.find(offer("A"), start + milliseconds(500)) == nullptr);
    CHECK(known.find(offer("B"), start) == nullptr);
}

TEST_CASE("one that may run short is read again") {
    KnownPositions known({100, milliseconds(500), 10});
    known.note(offer("A"), with(100, 0), 5, start);
    known.note(offer("A"), with(100, 71), 5, start);  // 29 are left, four batches like this and ten are 30
    CHECK(known.find(offer("A"), start) == nullptr);
    known.note(offer("A"), with(100, 70), 5, start);
    CHECK(known.find(offer("A"), start) != nullptr);
    known.forget(offer("A"));
    CHECK(known.find(offer("A"), start) == nullptr);
}

TEST_CASE("memory is bounded, and can be switched off") {
    KnownPositions known({100, milliseconds(500), 10});
    for (int i = 0; i < 1'000; ++i) known.note(offer(std::to_string(i)), with(100, 0), 1, start);
    int remembered = 0;
    for (int i = 0; i < 1'000; ++i)
        remembered += known.find(offer(std::to_string(i)), start) != nullptr ? 1 : 0;
    CHECK(remembered >= 50);
    CHECK(remembered <= 100);
    KnownPositions none({100, milliseconds(0), 10});
    none.note(offer("A"), with(100, 0), 1, start);
    CHECK(none.find(offer("A"), start) == nullptr);
}
