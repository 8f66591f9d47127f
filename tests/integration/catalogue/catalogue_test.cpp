#include "common/catalogue/catalogue.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "common/catalogue/queries.hpp"
#include "common/outcome/trouble.hpp"
#include "tests/integration/catalogue/server.hpp"

using namespace cartwright;
using namespace cartwright::catalogue;
using namespace std::chrono_literals;
using server::Database;

namespace {

std::vector<Sku> skus(const std::vector<std::string>& texts) {
    std::vector<Sku> result;
    for (const std::string& text : texts) result.emplace_back(text);
    return result;
}

std::int64_t price(Catalogue& catalogue, const std::string& sku) {
    const Offers offers = catalogue.offers(skus({sku}))[Sku(sku)];
    REQUIRE(offers != nullptr);
    REQUIRE(offers->size() == 1);
    return offers->at(0).price_minor;
}

}  // namespace

TEST_CASE("offers come with what matters of their sellers, by seller id; unknown SKUs have none") {
    Database database;
    database.add_seller("b", "active", "north", "big, gift wrap,,slow");
    database.add_seller("B", "suspended");
    database.add_offer("b", "sku-1", 1999);
    database.add_offer("B", "sku-1", 5, "inactive");
    database.add_offer("orphan", "sku-1");
    database.add_offer("b", "sku-2");
    Catalogue catalogue(database.reader());
    auto found = catalogue.offers(skus({"sku-1", "sku-0", "sku-1"}));
    REQUIRE(found.size() == 2);
    CHECK(found[Sku("sku-0")]->empty());
    const Offers offers = found[Sku("sku-1")];
    REQUIRE(offers->size() == 2);
    CHECK(offers->at(0).seller_id == SellerId("B"));
    CHECK_FALSE(offers->at(0).active);
    CHECK_FALSE(offers->at(0).seller_active);
    const Offer expected{SellerId("b"), Sku("sku-1"),
                         1999,          "BRL",
                         true,          true,
                         "north",       {"big", "gift wrap", "slow"},
                         "toys",        1};
    CHECK(offers->at(1) == expected);
}

TEST_CASE("ids of any characters are asked for and compared byte by byte") {
    const std::vector<std::string> strange{"it's",     "back\\slash", "\"quoted\"",       "a,b", "{}", "%_",
                                           "\xc3\xa9", "e\xcc\x81",   "\xf0\x9f\x98\x80", "a b", "?",  "--"};
    Database database;
    database.add_seller("o'seller\\");
    for (const std::string& sku : strange) database.add_offer("o'seller\\", sku);
    database.add_offer("o'seller\\", "spaced");
    Catalogue catalogue(database.reader());
    const auto found = catalogue.offers(skus(strange));
    for (const std::string& sku : strange) {
        INFO(sku);
        REQUIRE(found.at(Sku(sku))->size() == 1);
        CHECK(found.at(Sku(sku))->at(0).sku == Sku(sku));
        CHECK(found.at(Sku(sku))->at(0).seller_id == SellerId("o'seller\\"));
    }
    const auto similar = catalogue.offers(skus({"E", "spaced ", "SPACED", "spaced", "' or '1'='1", ""}));
    for (const auto& [sku, offers] : similar) {
        INFO(sku.str());
        CHECK(offers->size() == (sku == Sku("spaced") ? 1 : 0));
    }
}

TEST_CASE("the cache answers until it is told better; unknown SKUs too") {
    Database database;
    database.add_seller("s");
    database.add_offer("s", "a", 1);
    Catalogue catalogue(database.reader());
    CHECK(price(catalogue, "a") == 1);
    CHECK(catalogue.offers(skus({"new"}))[Sku("new")]->empty());
    const std::uint64_t queries = catalogue.statistics().queries;
    database.set_price("s", "a", 2);
    database.add_offer("s", "new", 3);
    CHECK(price(catalogue, "a") == 1);
    CHECK(catalogue.offers(skus({"new"}))[Sku("new")]->empty());
    CHECK(catalogue.statistics().queries == queries);
    CHECK(catalogue.statistics().hits == 2);

    catalogue.invalidate(skus({"a", "new"}), {});
    CHECK(price(catalogue, "a") == 2);
    CHECK(price(catalogue, "new") == 3);
    database.admin().execute("update seller set status = 'suspended'");
    CHECK(catalogue.offers(skus({"a"}))[Sku("a")]->at(0).seller_active);
    catalogue.invalidate({}, std::array{SellerId("s")});
    CHECK_FALSE(catalogue.offers(skus({"a"}))[Sku("a")]->at(0).seller_active);
    database.set_price("s", "a", 4);
    catalogue.clear();
    CHECK(catalogue.statistics().entries == 0);
    CHECK(price(catalogue, "a") == 4);
}

TEST_CASE("an entry that is too old is read again") {
    Database database;
    database.add_seller("s");
    database.add_offer("s", "a", 1);
    Settings settings = database.reader();
    settings.age_max = 300ms;
    Catalogue catalogue(settings);
    CHECK(price(catalogue, "a") == 1);
    database.set_price("s", "a", 2);
    const auto began = std::chrono::steady_clock::now();
    while (price(catalogue, "a") == 1 && std::chrono::steady_clock::now() - began < 10s) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK(price(catalogue, "a") == 2);
}

TEST_CASE("a fresh read passes the cache over and fills it") {
    Database database;
    database.add_seller("s");
    database.add_offer("s", "a", 1);
    Catalogue catalogue(database.reader());
    CHECK(price(catalogue, "a") == 1);
    database.set_price("s", "a", 2);
    CHECK(catalogue.fresh_offers(skus({"a", "a"}))[Sku("a")]->at(0).price_minor == 2);
    const std::uint64_t queries = catalogue.statistics().queries;
    CHECK(price(catalogue, "a") == 2);
    CHECK(catalogue.statistics().queries == queries);
    CHECK(catalogue.fresh_offers({}).empty());
}

TEST_CASE("warehouses are ranked by priority and name") {
    Database database;
    database.add_warehouse("s", "zeta", 1);
    database.add_warehouse("s", "beta", 100);
    database.add_warehouse("s", "Alpha", 100);
    database.add_warehouse("s", "minus", -5);
    Catalogue catalogue(database.reader());
    const std::array sellers{SellerId("s"), SellerId("none"), SellerId("s")};
    auto found = catalogue.warehouses(sellers);
    REQUIRE(found.size() == 2);
    CHECK(found[SellerId("none")]->empty());
    const std::vector<WarehouseId> expected{WarehouseId("minus"), WarehouseId("zeta"), WarehouseId("Alpha"),
                                            WarehouseId("beta")};
    CHECK(*found[SellerId("s")] == expected);
    database.add_warehouse("s", "first", -10);
    CHECK(catalogue.warehouses(sellers)[SellerId("s")]->size() == 4);
    catalogue.invalidate({}, std::array{SellerId("s")});
    CHECK(catalogue.warehouses(sellers)[SellerId("s")]->at(0) == WarehouseId("first"));
}

TEST_CASE("many SKUs are asked for in few queries, each once") {
    Database database;
    database.add_seller("s");
    database.admin().execute(
        "insert into offer (seller_id, sku, price_minor, currency) select 's', seq, seq, 'BRL' from "
        "seq_1_to_1200");
    std::vector<Sku> asked;
    for (int i = 2 * 1201; i > 0; --i) asked.emplace_back(std::to_string((i + 1) / 2));
    Catalogue catalogue(database.reader());
    const auto found = catalogue.offers(asked);
    REQUIRE(found.size() == 1201);
    CHECK(found.at(Sku("1"))->at(0).price_minor == 1);
    CHECK(found.at(Sku("1200"))->at(0).price_minor == 1200);
    CHECK(found.at(Sku("1201"))->empty());
    CHECK(catalogue.statistics().queries == 3);
    CHECK(catalogue.statistics().misses == 1201);
}

TEST_CASE("what is asked for is read by its index, however little the server thinks there is") {
    Database database;
    auto& admin = database.admin();
    // As after a bulk load: what the server knows of the tables is from before it.
    for (const char* table : {"seller", "offer", "warehouse"})
        admin.execute(fmt::format("alter table {} stats_auto_recalc = 0", table));
    admin.execute(
        "insert into seller (seller_id) select seq from seq_1_to_20;"
        "insert into offer (seller_id, sku, price_minor, currency) select seq, seq, 1, 'BRL' from "
        "seq_1_to_20");
    admin.select("analyze table seller, offer, warehouse");
    admin.execute(
        "insert into offer (seller_id, sku, price_minor, currency) select seq % 20 + 1, seq, 1, "
        "'BRL' from seq_21_to_5000;"
        "insert into warehouse (seller_id, warehouse) select seq, 'main' from seq_1_to_5000");
    std::string ids;
    for (int i = 0; i < 200; ++i) ids += fmt::format("{}'{}'", i == 0 ? "" : ",", 7 * i + 1);
    const auto plan_of = [&](const char* sql) {
        const auto plan = admin.select("explain " + fmt::format(fmt::runtime(sql), ids));
        REQUIRE_FALSE(plan.empty());
        constexpr std::size_t table = 2, access = 3, index = 5;  // columns of EXPLAIN
        const auto& first = plan.front();
        return fmt::format("{} {} {}", *first[table], *first[access], first[index].value_or("no index"));
    };
    CHECK(plan_of(queries::offers) == "o range offer_by_sku");
    CHECK(plan_of(queries::warehouses) == "warehouse range PRIMARY");
}

TEST_CASE("the cache is bounded") {
    Database database;
    database.add_seller("s");
    Settings settings = database.reader();
    settings.entries_max = 100;
    Catalogue catalogue(settings);
    for (int i = 0; i < 1000; i += 10) {
        std::vector<Sku> unknown;
        for (int j = i; j < i + 10; ++j) unknown.emplace_back("unknown-" + std::to_string(j));
        catalogue.offers(unknown);
        CHECK(catalogue.statistics().entries <= 100);
    }
    CHECK(catalogue.statistics().evictions >= 900);
}

TEST_CASE("a read under way neither holds up the cache nor refills it after an invalidation") {
    Database database;
    database.add_seller("s");
    database.add_offer("s", "cached", 1);
    database.add_offer("s", "slow", 1);
    Catalogue catalogue(database.reader());
    CHECK(price(catalogue, "cached") == 1);

    database.admin().execute("lock tables offer write");
    auto slow = std::async(std::launch::async, [&] { return price(catalogue, "slow"); });
    database.wait_until_reader_waits();
    CHECK(price(catalogue, "cached") == 1);  // would wait for ever behind the read
    catalogue.invalidate(skus({"slow"}), {});
    CHECK(slow.wait_for(0s) == std::future_status::timeout);
    database.admin().execute("unlock tables");
    CHECK(slow.get() == 1);

    database.set_price("s", "slow", 2);
    CHECK(price(catalogue, "slow") == 2);
}

TEST_CASE("lanes that miss the same read it once") {
    Database database;
    database.add_seller("s");
    database.add_offer("s", "a", 1);
    Catalogue catalogue(database.reader());
    catalogue.offers(skus({"connects"}));
    const std::uint64_t queries = catalogue.statistics().queries;
    database.admin().execute("lock tables offer write");
    std::vector<std::future<std::int64_t>> lanes;
    for (int i = 0; i < 4; ++i) {
        lanes.push_back(std::async(std::launch::async, [&] { return price(catalogue, "a"); }));
    }
    database.wait_until_reader_waits();
    while (catalogue.statistics().misses < 5) std::this_thread::sleep_for(1ms);
    database.admin().execute("unlock tables");
    for (auto& lane : lanes) CHECK(lane.get() == 1);
    CHECK(catalogue.statistics().queries == queries + 1);
}

TEST_CASE("lanes read, announce and clear at once, and end on the newest") {
    Database database;
    database.add_seller("s");
    constexpr int sku_count = 20;
    for (int i = 0; i < sku_count; ++i) database.add_offer("s", std::to_string(i), 0);
    Catalogue catalogue(database.reader());
    std::atomic<bool> over = false;
    std::vector<std::thread> lanes;
    for (int t = 0; t < 3; ++t) {
        lanes.emplace_back([&] {
            while (!over) {
                for (int i = 0; i < sku_count; ++i) catalogue.offers(skus({std::to_string(i)}));
            }
        });
    }
    for (int price_minor = 1; price_minor <= 50; ++price_minor) {
        const std::string sku = std::to_string(price_minor % sku_count);
        database.set_price("s", sku, price_minor);
        catalogue.invalidate(skus({sku}), {});
        CHECK(price(catalogue, sku) == price_minor);
        if (price_minor % 10 == 0) catalogue.clear();
    }
    over = true;
    for (std::thread& lane : lanes) lane.join();
    for (int i = 1; i < sku_count; ++i) CHECK(price(catalogue, std::to_string(i)) >= 31);
}
