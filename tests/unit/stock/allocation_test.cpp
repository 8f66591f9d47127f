#include "common/stock/allocation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

using namespace cartwright;
using namespace cartwright::stock;

namespace {

/// Two warehouses of one seller, three offers.
Shelf small_shelf() {
    Shelf shelf;
    shelf.positions = {{0, 5}, {1, 5}, {0, 2}, {1, 9}, {0, 0}};
    shelf.chains = {{0, 1}, {2, 3}, {4}};
    return shelf;
}

std::int64_t units(const Shelf& shelf) {
    return std::accumulate(shelf.positions.begin(), shelf.positions.end(), std::int64_t{0},
                           [](std::int64_t sum, const auto& position) { return sum + position.available; });
}

std::int64_t there(const Shelf& shelf, std::size_t offer) {
    std::int64_t sum = 0;
    for (const auto position : shelf.chains[offer])
        sum += std::max<std::int64_t>(0, shelf.positions[position].available);
    return sum;
}

Shelf random_shelf(std::mt19937& random) {
    const auto pick = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };
    Shelf shelf;
    const auto offers = static_cast<std::size_t>(1 + pick(5));
    for (std::size_t offer = 0; offer < offers; ++offer) {
        auto& chain = shelf.chains.emplace_back();
        const int warehouses = 1 + pick(2);
        for (int warehouse = 0; warehouse < warehouses; ++warehouse) {
            chain.push_back(shelf.positions.size());
            // Offers 0 and 1 are one seller's, 2 and 3 another's: their warehouses have the same numbers.
            shelf.positions.push_back({(offer / 2) * 10 + static_cast<std::size_t>(warehouse), pick(6)});
        }
    }
    return shelf;
}

Demand random_demand(std::mt19937& random, std::size_t offers) {
    const auto pick = [&](std::size_t most) {
        return std::uniform_int_distribution<std::size_t>(0, most)(random);
    };
    Demand demand;
    demand.policy = static_cast<ShortagePolicy>(pick(2));
    const auto lines = 1 + pick(4);
    for (std::size_t line = 0; line < lines; ++line) {
        const auto offer = pick(offers - 1);
        demand.lines.push_back({offer / 2, offer, static_cast<std::int64_t>(1 + pick(4))});
    }
    return demand;
}

/// What each line may get at most, by brute force: lines in order, each from what its whole chain still has.
bool whole_cart_fits(const Demand& demand, const Shelf& shelf) {
    std::map<std::size_t, std::int64_t> wanted;
    for (const auto& line : demand.lines) wanted[line.offer] += line.quantity;
    return std::all_of(wanted.begin(), wanted.end(),
                       [&](const auto& one) { return there(shelf, one.first) >= one.second; });
}

}  // namespace

TEST_CASE("all lines of a seller come from the first warehouse that has them all") {
    auto shelf = small_shelf();
    const auto decision = allocate(Demand{ShortagePolicy::all_or_nothing, {{0, 0, 3}, {0, 1, 4}}}, shelf);
    CHECK(decision.fate == Fate::reserved);
    CHECK(decision.takes == std::vector<Take>{{0, 1, 3}, {1, 3, 4}});
}

TEST_CASE("where no warehouse has all, each line spills over along its chain") {
    auto shelf = small_shelf();
    const auto decision = allocate(Demand{ShortagePolicy::all_or_nothing, {{0, 0, 7}, {0, 1, 1}}}, shelf);
    CHECK(decision.fate == Fate::reserved);
    CHECK(decision.takes == std::vector<Take>{{0, 0, 5}, {0, 1, 2}, {1, 2, 1}});
}

TEST_CASE("two lines of one cart share what is there") {
    auto shelf = small_shelf();
    const auto decision = allocate(Demand{ShortagePolicy::all_or_nothing, {{0, 0, 6}, {0, 0, 6}}}, shelf);
    CHECK(decision.fate == Fate::rejected);
    CHECK(decision.short_lines == std::vector<std::size_t>{1});
    CHECK(units(shelf) == units(small_shelf()));
}

TEST_CASE("policies of a short cart") {
    const std::vector<DemandLine> lines{{0, 0, 20}, {0, 2, 1}};
    auto shelf = small_shelf();
    CHECK(allocate(Demand{ShortagePolicy::all_or_nothing, lines}, shelf).fate == Fate::rejected);
    CHECK(allocate(Demand{ShortagePolicy::hold, lines}, shelf).fate == Fate::held);
    CHECK(units(shelf) == units(small_shelf()));
    const auto partial = allocate(Demand{ShortagePolicy::partial, lines}, shelf);
    CHECK(partial.fate == Fate::reserved);
    CHECK(partial.short_lines == std::vector<std::size_t>{0, 1});
    CHECK(units(shelf) == units(small_shelf()) - 10);
    CHECK(allocate(Demand{ShortagePolicy::partial, {{0, 2, 1}}}, shelf).fate == Fate::rejected);
}

TEST_CASE("random carts: never more than is there, never less than could be") {
    for (unsigned seed = 0; seed < 20'000; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        auto shelf = random_shelf(random);
        const auto offers = shelf.chains.size();
        for (int cart = 0; cart < 4; ++cart) {
            const auto demand = random_demand(random, offers);
            const auto before = shelf;
            const bool fits = whole_cart_fits(demand, before);
            const auto decision = allocate(demand, shelf);
            std::vector<std::int64_t> got(demand.lines.size());
            auto expected = before;
            for (const auto& take : decision.takes) {
                const auto& chain = before.chains[demand.lines[take.line].offer];
                REQUIRE(std::find(chain.begin(), chain.end(), take.position) != chain.end());
                REQUIRE(take.quantity > 0);
                expected.positions[take.position].available -= take.quantity;
                got[take.line] += take.quantity;
            }
            for (std::size_t i = 0; i < shelf.positions.size(); ++i) {
                REQUIRE(shelf.positions[i].available == expected.positions[i].available);
                REQUIRE(shelf.positions[i].available >= 0);
            }
            if (fits) {
                REQUIRE(decision.fate == Fate::reserved);
                REQUIRE(decision.short_lines.empty());
                for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == demand.lines[i].quantity);
                continue;
            }
            REQUIRE_FALSE(decision.short_lines.empty());
            if (demand.policy != ShortagePolicy::partial) {
                REQUIRE(decision.takes.empty());
                REQUIRE(decision.fate ==
                        (demand.policy == ShortagePolicy::hold ? Fate::held : Fate::rejected));
                continue;
            }
            REQUIRE((decision.fate == Fate::reserved) == !decision.takes.empty());
            for (const auto line : decision.short_lines) {
                // A line is short only when its whole chain is empty afterwards.
                if (decision.fate == Fate::reserved) REQUIRE(there(shelf, demand.lines[line].offer) == 0);
            }
        }
    }
}

TEST_CASE("oldest first: what an older cart waits for is not given to a younger one") {
    Shelf shelf;
    shelf.positions = {{0, 2}, {0, 0}};
    shelf.chains = {{0}, {1}};
    const std::vector<Demand> held{{ShortagePolicy::hold, {{0, 0, 1}, {0, 1, 1}}},
                                   {ShortagePolicy::hold, {{0, 0, 1}}}};
    std::vector<bool> blocked;
    auto strict = shelf;
    auto decisions = fill(held, strict, FillOrder::oldest_first, blocked);
    CHECK(decisions[0].fate == Fate::held);
    CHECK(decisions[1].fate == Fate::held);
    CHECK(blocked == std::vector<bool>{true, true});
    blocked.clear();
    decisions = fill(held, shelf, FillOrder::fillable_first, blocked);
    CHECK(decisions[0].fate == Fate::held);
    CHECK(decisions[1].fate == Fate::reserved);
}
