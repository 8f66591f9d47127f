#include "common/stock/movement.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace cartwright;
using namespace cartwright::stock;
using message::MovementKind;

namespace {

Timestamp at(int minute) {
    return Timestamp{std::chrono::minutes{minute}};
}

Position position(std::int64_t on_hand, std::int64_t reserved, std::int64_t shortfall = 0) {
    return {on_hand, reserved, shortfall, 0, std::nullopt};
}

/// The position as its definition says, computed from nothing but physical and reserved.
struct Model {
    std::int64_t physical = 0;
    std::int64_t reserved = 0;
    std::optional<Timestamp> counted_at;
};

}  // namespace

TEST_CASE("a count below what is promised leaves a shortfall, and a release takes it back") {
    auto shelf = position(10, 5);
    CHECK(apply(shelf, {MovementKind::count, 3, 0, at(1), 0}) == Deltas{-5, 0, 2});
    CHECK(shelf.on_hand == 5);
    CHECK(shelf.shortfall == 2);
    CHECK(apply(shelf, {MovementKind::release, 2, 2, at(2), 0}) == Deltas{-2, -2, -2});
    CHECK(shelf.on_hand == 3);
    CHECK(shelf.reserved == 3);
    CHECK(shelf.shortfall == 0);
    CHECK(shelf.version == 2);
}

TEST_CASE("what happened before the last count leaves physical stock alone") {
    auto shelf = position(0, 0);
    REQUIRE(apply(shelf, {MovementKind::count, 8, 0, at(10), 0}));
    CHECK(apply(shelf, {MovementKind::receipt, 5, 0, at(9), 0}) == Deltas{});
    CHECK(apply(shelf, {MovementKind::count, 3, 0, at(8), 0}) == Deltas{});
    CHECK(shelf.on_hand == 8);
    CHECK(shelf.version == 3);
    CHECK(apply(shelf, {MovementKind::receipt, 5, 0, at(10), 0}) == Deltas{5, 0, 0});
}

TEST_CASE("a count adds what moved since it was taken") {
    auto shelf = position(12, 0);
    REQUIRE(apply(shelf, {MovementKind::count, 10, 0, at(1), -3}));
    CHECK(shelf.on_hand == 7);
}

TEST_CASE("an adjustment to below zero is not granted and changes nothing") {
    auto shelf = position(3, 2);
    CHECK_FALSE(apply(shelf, {MovementKind::adjustment, -4, 0, at(1), 0}));
    CHECK(shelf == position(3, 2));
    CHECK(apply(shelf, {MovementKind::adjustment, -3, 0, at(1), 0}) == Deltas{-1, 0, 2});
}

TEST_CASE("reservations move by what is still open") {
    Reservation line{5, 5, 0, 0, 0};
    CHECK(release(line, 3) == 3);
    CHECK(release(line, 3) == 2);
    CHECK(release(line, 3) == 0);
    CHECK(dispatch(line, 1) == 0);
    Reservation sent{4, 4, 0, 0, 0};
    CHECK(dispatch(sent, 3) == 3);
    CHECK(restock(sent, 5) == 3);
    CHECK(restock(sent, 1) == 0);
}

TEST_CASE("random movements against a model that knows only physical and reserved units") {
    for (unsigned seed = 0; seed < 5'000; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const auto pick = [&](int least, int most) {
            return std::uniform_int_distribution<int>(least, most)(random);
        };
        Position shelf;
        Model model;
        Deltas sum;
        for (int step = 1; step <= 40; ++step) {
            const auto kind = static_cast<MovementKind>(pick(0, 5));
            const auto unreserve = kind == MovementKind::dispatch || kind == MovementKind::release
                                       ? std::min<std::int64_t>(model.reserved, pick(0, 3))
                                       : 0;
            const Change change{kind, kind == MovementKind::adjustment ? pick(-4, 4) : pick(1, 6), unreserve,
                                at(pick(step - 5 < 0 ? 0 : step - 5, step)), 0};
            const bool stale = model.counted_at && change.occurred_at < *model.counted_at;
            auto physical = model.physical;
            if (!stale && kind == MovementKind::count) physical = change.quantity;
            if (!stale && (kind == MovementKind::receipt || kind == MovementKind::restock ||
                           kind == MovementKind::adjustment)) {
                physical += change.quantity;
            }
            if (!stale && kind == MovementKind::dispatch)
                physical = std::max<std::int64_t>(0, physical - change.quantity);
            const auto deltas = apply(shelf, change);
            if (physical < 0) {
                REQUIRE_FALSE(deltas);
                continue;
            }
            REQUIRE(deltas);
            model.physical = physical;
            model.reserved -= unreserve;
            if (!stale && kind == MovementKind::count) model.counted_at = change.occurred_at;
            sum = {sum.on_hand + deltas->on_hand, sum.reserved + deltas->reserved,
                   sum.shortfall + deltas->shortfall};
            // A reservation in between: it takes from what is available.
            const auto wanted = std::min<std::int64_t>(shelf.available(), pick(0, 3));
            shelf.reserved += wanted;
            model.reserved += wanted;
            sum.reserved += wanted;
            REQUIRE(shelf.physical() == model.physical);
            REQUIRE(shelf.reserved == model.reserved);
            REQUIRE(shelf.reserved >= 0);
            REQUIRE(shelf.on_hand == std::max(model.physical, model.reserved));
            REQUIRE(sum == Deltas{shelf.on_hand, shelf.reserved, shelf.shortfall});
        }
    }
}
