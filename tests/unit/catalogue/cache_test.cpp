#include "common/catalogue/cache.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <thread>

using namespace cartwright;
using namespace cartwright::catalogue;
using namespace std::chrono_literals;

namespace {

const Sku sku("sku"), other("other");
const SellerId seller("seller"), rival("rival");
const Clock::time_point start = Clock::now();

Offers offers_of(std::vector<std::pair<SellerId, std::int64_t>> sellers_and_versions) {
    std::vector<Offer> offers;
    for (const auto& [id, version] : sellers_and_versions) {
        Offer offer;
        offer.seller_id = id;
        offer.sku = sku;
        offer.version = version;
        offers.push_back(offer);
    }
    return std::make_shared<const std::vector<Offer>>(std::move(offers));
}

Warehouses warehouses_of(const char* name) {
    return std::make_shared<const std::vector<WarehouseId>>(std::vector<WarehouseId>{WarehouseId(name)});
}

Offers cached(Cache& cache, const Sku& wanted, Clock::time_point now = start) {
    std::unordered_map<Sku, Offers> found;
    cache.find(std::array{wanted}, found, now);
    return found.contains(wanted) ? found[wanted] : nullptr;
}

Warehouses cached(Cache& cache, const SellerId& wanted, Clock::time_point now = start) {
    std::unordered_map<SellerId, Warehouses> found;
    cache.find(std::array{wanted}, found, now);
    return found.contains(wanted) ? found[wanted] : nullptr;
}

void invalidate(Cache& cache, std::vector<Sku> skus, std::vector<SellerId> sellers,
                Clock::time_point now = start) {
    cache.invalidate(skus, sellers, now);
}

}  // namespace

TEST_CASE("what was put is found, what is missing is named once") {
    Cache cache(100, 1min);
    const Offers offers = offers_of({{seller, 1}});
    CHECK(cache.put(sku, offers, cache.begin(start)) == offers);
    std::unordered_map<Sku, Offers> found;
    const std::vector<Sku> missing = cache.find(std::array{other, sku, other, sku}, found, start);
    CHECK(missing == std::vector<Sku>{other});
    CHECK(found.size() == 1);
    CHECK(found[sku] == offers);
    CHECK(cache.statistics().hits == 1);
    CHECK(cache.statistics().misses == 1);
    CHECK(cache.statistics().entries == 1);
}

TEST_CASE("an unknown SKU is kept as such") {
    Cache cache(100, 1min);
    cache.put(sku, offers_of({}), cache.begin(start));
    REQUIRE(cached(cache, sku) != nullptr);
    CHECK(cached(cache, sku)->empty());
}

TEST_CASE("entries grow too old, counted from the beginning of their read") {
    Cache cache(100, 1min);
    const Ticket ticket = cache.begin(start);
    cache.put(sku, offers_of({{seller, 1}}), ticket);
    cache.put(seller, warehouses_of("w"), ticket);
    CHECK(cached(cache, sku, start + 59s) != nullptr);
    CHECK(cached(cache, sku, start + 60s) == nullptr);
    CHECK(cached(cache, seller, start + 59s) != nullptr);
    CHECK(cached(cache, seller, start + 60s) == nullptr);

    Cache off(100, 0ms);
    off.put(sku, offers_of({{seller, 1}}), off.begin(start));
    CHECK(cached(off, sku) == nullptr);
}

TEST_CASE("a SKU's invalidation removes it, and nothing else") {
    Cache cache(100, 1min);
    cache.put(sku, offers_of({{seller, 1}}), cache.begin(start));
    cache.put(other, offers_of({{seller, 1}}), cache.begin(start));
    cache.put(seller, warehouses_of("w"), cache.begin(start));
    invalidate(cache, {sku}, {});
    CHECK(cached(cache, sku) == nullptr);
    CHECK(cached(cache, other) != nullptr);
    CHECK(cached(cache, seller) != nullptr);
}

TEST_CASE("a seller's invalidation removes its warehouses and every SKU it offers") {
    Cache cache(100, 1min);
    cache.put(sku, offers_of({{rival, 1}, {seller, 1}}), cache.begin(start));
    cache.put(other, offers_of({{rival, 1}}), cache.begin(start));
    cache.put(seller, warehouses_of("w"), cache.begin(start));
    cache.put(rival, warehouses_of("w"), cache.begin(start));
    invalidate(cache, {}, {seller});
    CHECK(cached(cache, sku) == nullptr);
    CHECK(cached(cache, other) != nullptr);
    CHECK(cached(cache, seller) == nullptr);
    CHECK(cached(cache, rival) != nullptr);
    // A later read fills it again.
    cache.put(sku, offers_of({{seller, 2}}), cache.begin(start));
    CHECK(cached(cache, sku) != nullptr);
}

TEST_CASE("a read that was under way when its SKU, its seller or everything was invalidated fills nothing") {
    Cache cache(100, 1min);
    Ticket under_way = cache.begin(start);
    invalidate(cache, {sku}, {});
    const Offers stale = offers_of({{seller, 1}});
    CHECK(cache.put(sku, stale, under_way) == stale);  // but it answers whoever read it
    CHECK(cached(cache, sku) == nullptr);
    cache.put(other, stale, under_way);
    CHECK(cached(cache, other) != nullptr);

    under_way = cache.begin(start);
    invalidate(cache, {}, {seller});
    cache.put(sku, stale, under_way);
    cache.put(seller, warehouses_of("w"), under_way);
    cache.put(rival, warehouses_of("w"), under_way);
    CHECK(cached(cache, sku) == nullptr);
    CHECK(cached(cache, seller) == nullptr);
    CHECK(cached(cache, rival) != nullptr);

    under_way = cache.begin(start);
    cache.clear();
    cache.put(sku, stale, under_way);
    cache.put(rival, warehouses_of("w"), under_way);
    CHECK(cached(cache, sku) == nullptr);
    CHECK(cached(cache, rival) == nullptr);
    CHECK(cache.statistics().entries == 0);
    cache.put(sku, stale, cache.begin(start));
    CHECK(cached(cache, sku) != nullptr);
}

TEST_CASE("of two reads that cross, the one that began later stays") {
    Cache cache(100, 1min);
    const Ticket early = cache.begin(start);
    const Ticket late = cache.begin(start + 1ms);
    const Offers newer = offers_of({{rival, 1}, {seller, 2}});
    cache.put(sku, newer, late);
    const Offers answer = cache.put(sku, offers_of({{seller, 1}}), early);
    CHECK(cached(cache, sku) == newer);
    REQUIRE(answer->size() == 1);
    CHECK(answer->at(0).version == 2);
}

TEST_CASE("a higher version is never replaced by a lower one, and does not grow younger by that") {
    Cache cache(100, 1min);
    cache.put(sku, offers_of({{rival, 1}, {seller, 5}}), cache.begin(start));
    const Offers answer = cache.put(sku, offers_of({{rival, 2}, {seller, 4}}), cache.begin(start + 30s));
    CHECK(answer->at(0).version == 2);
    CHECK(answer->at(1).version == 5);
    REQUIRE(cached(cache, sku, start + 59s) != nullptr);
    CHECK(cached(cache, sku, start + 59s)->at(1).version == 5);
    CHECK(cached(cache, sku, start + 59s)->at(0).version == 2);
    // Once it is too old, or was invalidated, what the server says counts: the offer may have been made anew.
    CHECK(cached(cache, sku, start + 60s) == nullptr);
    cache.put(sku, offers_of({{seller, 1}}), cache.begin(start + 60s));
    CHECK(cached(cache, sku, start + 60s)->at(0).version == 1);
    invalidate(cache, {sku}, {});
    cache.put(sku, offers_of({}), cache.begin(start + 60s));
    CHECK(cached(cache, sku, start + 60s)->empty());
}

TEST_CASE("offers that are gone are gone") {
    Cache cache(100, 1min);
    cache.put(sku, offers_of({{rival, 1}, {seller, 5}}), cache.begin(start));
    cache.put(sku, offers_of({{rival, 1}}), cache.begin(start + 1s));
    CHECK(cached(cache, sku, start + 1s)->size() == 1);
}

TEST_CASE("the number of offers is bounded, not only that of SKUs") {
    Cache cache(1000, 1min);
    std::vector<std::pair<SellerId, std::int64_t>> ten;
    for (int i = 0; i < 10; ++i) ten.emplace_back(SellerId("s" + std::to_string(i)), 1);
    const Offers offers = offers_of(ten);
    for (int i = 0; i < 1000; ++i) {
        cache.put(Sku(std::to_string(i)), offers, cache.begin(start));
        REQUIRE(cache.statistics().entries <= 100);
    }
    CHECK(cache.statistics().entries >= 50);
    CHECK(cache.statistics().evictions >= 900);
}

TEST_CASE("any number of invalidations is survived, and still means something") {
    Cache cache(2000, 1min);
    cache.put(other, offers_of({{seller, 1}}), cache.begin(start));
    const Ticket under_way = cache.begin(start);
    for (int i = 0; i < 20'000; ++i)
        invalidate(cache, {Sku(std::to_string(i))}, {SellerId(std::to_string(i))});
    cache.put(Sku("0"), offers_of({{seller, 1}}), under_way);
    CHECK(cached(cache, Sku("0")) == nullptr);
    // Marks of long ago are dropped without a trace.
    Cache calm(2000, 1min);
    calm.put(other, offers_of({{seller, 1}}), calm.begin(start + 1h));
    for (int i = 0; i < 2000; ++i) invalidate(calm, {Sku(std::to_string(i))}, {}, start);
    for (int i = 0; i < 1100; ++i) invalidate(calm, {Sku(std::to_string(i))}, {}, start + 1h);
    CHECK(cached(calm, other, start + 1h) != nullptr);
}

TEST_CASE("threads may do all of it at once") {
    Cache cache(200, 1min);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&cache, t] {
            for (int i = 0; i < 2000; ++i) {
                const Sku mine("s" + std::to_string((i * 7 + t) % 300));
                const Ticket ticket = cache.begin(Clock::now());
                if (cached(cache, mine, Clock::now()) == nullptr)
                    cache.put(mine, offers_of({{seller, i}}), ticket);
                if (i % 50 == 0) invalidate(cache, {mine}, {seller}, Clock::now());
                if (i % 500 == 0) cache.clear();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(cache.statistics().hits + cache.statistics().misses == 8000);
    CHECK(cache.statistics().entries <= 200);
}
