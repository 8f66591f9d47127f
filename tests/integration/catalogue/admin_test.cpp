#include "common/catalogue/admin.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

#include "common/outcome/trouble.hpp"
#include "tests/integration/catalogue/server.hpp"

using namespace cartwright;
using namespace cartwright::catalogue;
using namespace std::chrono_literals;
using server::Database;

TEST_CASE("a script runs whole, whatever it ends with") {
    Database database;
    Admin& admin = database.admin();
    for (const char* end : {"", ";", ";\n\n", ";\n-- the end\n", "; /* the end */", ";  "}) {
        INFO(end);
        admin.execute(
            "-- begin\ncreate or replace table t (a int);\ninsert into t values (1);\nselect * from t;\n"
            "insert into t values (2)" +
            std::string(end));
        CHECK(admin.select_integer("select count(*) from t") == 2);
    }
    admin.execute("");
    admin.execute("-- nothing\n");
}

TEST_CASE("a script stops at the first statement that fails, and says which") {
    Database database;
    Admin& admin = database.admin();
    CHECK_THROWS_WITH_AS(
        admin.execute("create table t (a int primary key); insert into t values (1), (1); drop table t"),
        doctest::Contains("the catalogue says 1062: statement 2: Duplicate entry"), outcome::Refused);
    CHECK(admin.select_integer("select count(*) from t") == 0);
    CHECK_THROWS_WITH_AS(admin.execute("select 1; selct 2"), doctest::Contains("1064: statement 2: "),
                         outcome::Refused);
    CHECK_THROWS_WITH_AS(admin.execute("selct 1"), doctest::Contains("1064: statement 1: "),
                         outcome::Refused);
    CHECK(admin.select_integer("select 3") == 3);
}

TEST_CASE("rows, NULL and parameters") {
    Database database;
    Admin& admin = database.admin();
    const std::vector<Admin::Row> rows = admin.select("select ?, null, '?', ? union all select 1, 2, 3, 4",
                                                      {"it's \\ \"?\"", std::string("a\0b", 3)});
    REQUIRE(rows.size() == 2);
    CHECK(rows[0] == Admin::Row{"it's \\ \"?\"", std::nullopt, "?", std::string("a\0b", 3)});
    CHECK(rows[1] == Admin::Row{"1", "2", "3", "4"});
    CHECK(admin.select("select 1 from dual where 1 = 0").empty());
    CHECK(admin.select_value("select 'x'") == "x");
    CHECK_FALSE(admin.select_value("select null").has_value());
    CHECK_FALSE(admin.select_value("select 1 from dual where 1 = 0").has_value());
    CHECK(admin.select_integer("select -9223372036854775808") == std::numeric_limits<std::int64_t>::min());
    CHECK_THROWS_AS(admin.select_integer("select 'x'"), outcome::Refused);
    CHECK(admin.quote("it's") == "'it\\'s'");
}

TEST_CASE("a lock is one session's, until it lets go or goes") {
    Database database;
    Admin& first = database.admin();
    Admin second(server::settings_of(database.admin_url()));
    const std::string name = database.name() + " o'lock";
    CHECK(first.lock(name, 0s));
    CHECK(first.lock(name, 0s));
    CHECK_FALSE(second.lock(name, 0s));
    first.unlock(name);
    CHECK_FALSE(second.lock(name, 1s));
    first.unlock(name);
    CHECK(second.lock(name, 0s));
    {
        const Admin gone = std::move(second);
    }
    CHECK(first.lock(name, 10s));
}

TEST_CASE("waiting for a lock may take longer than reads may") {
    Database database;
    Settings settings = server::settings_of(database.admin_url());
    settings.read_timeout = 1s;
    Admin admin(settings);
    CHECK(admin.select_integer("select sleep(2)") == 0);
}

TEST_CASE("a row that another session holds is Retry") {
    Database database;
    database.add_seller("a");
    Admin& first = database.admin();
    Admin second(server::settings_of(database.admin_url()));
    second.execute("set innodb_lock_wait_timeout = 1");
    first.execute("start transaction; update seller set region = 'x' where seller_id = 'a'");
    CHECK_THROWS_WITH_AS(second.execute("update seller set region = 'y' where seller_id = 'a'"),
                         doctest::Contains("1205"), outcome::Retry);
    first.execute("rollback");
}

TEST_CASE("a connection that is lost stays lost") {
    Database database;
    Admin admin(server::settings_of(database.admin_url()));
    const std::int64_t id = admin.select_integer("select connection_id()").value();
    database.admin().execute("kill " + std::to_string(id));
    CHECK_THROWS_AS(admin.select("select 1"), outcome::Unavailable);
    CHECK_THROWS_AS(admin.select("select 1"), outcome::Unavailable);
    CHECK_THROWS_AS(admin.select("select ?", {"x"}), outcome::Unavailable);
    CHECK_THROWS_AS(admin.execute("select 1"), outcome::Unavailable);
    CHECK_THROWS_AS(admin.lock("x", 0s), outcome::Unavailable);
}
