#include <doctest/doctest.h>

#include <array>

#include "common/outcome/trouble.hpp"
#include "tests/integration/catalogue/server.hpp"

using namespace cartwright;
using namespace cartwright::catalogue;
using server::Database;

TEST_CASE("a program starts on the schema version that it wants, and on no other") {
    Database database;
    const std::string url = database.reader_url();
    CHECK_THROWS_WITH_AS(check_schema_version(url, 1),
                         "MariaDB has schema version 0, this program wants 1: run `cartwright migrate`",
                         outcome::StartupError);
    database.admin().execute("create table schema_version (version bigint primary key)");
    CHECK_THROWS_AS(check_schema_version(url, 1), outcome::StartupError);
    database.admin().execute("insert into schema_version values (1), (2)");
    check_schema_version(url, 2);
    CHECK_THROWS_AS(check_schema_version(url, 3), outcome::StartupError);
    CHECK_THROWS_WITH_AS(
        check_schema_version(url, 1),
        "MariaDB has schema version 2, this program wants 1: run `cartwright migrate` of this "
        "version, or start a newer worker",
        outcome::StartupError);
}

TEST_CASE("what is wrong with the account is told at once, a server that is away is waited for") {
    Database database;
    Address address = parse_url(database.reader_url());
    address.password = "wrong";
    CHECK_THROWS_WITH_AS(check_schema_version(server::url_with(address), 1),
                         doctest::Contains("check MARIADB_URL"), outcome::StartupError);
    address = parse_url(database.reader_url());
    address.database = "nowhere";
    CHECK_THROWS_AS(check_schema_version(server::url_with(address), 1), outcome::StartupError);
    address.port = 1;
    CHECK_THROWS_AS(check_schema_version(server::url_with(address), 1), outcome::Unavailable);
    CHECK_THROWS_AS(check_schema_version("nonsense", 1), outcome::StartupError);
}

TEST_CASE("the migration may be run twice") {
    Database database;
    database.add_seller("s");
    database.admin().execute(server::migration());
    CHECK(database.admin().select_integer("select count(*) from seller") == 1);
}

TEST_CASE("the workers' own account may read the catalogue") {
    Admin admin(server::settings_of(server::variable("MARIADB_ADMIN_URL")));
    admin.execute(server::migration());
    Catalogue catalogue(server::settings_of(server::variable("MARIADB_URL")));
    CHECK(catalogue.offers(std::array{Sku("no such thing")})[Sku("no such thing")]->empty());
    CHECK(catalogue.warehouses(std::array{SellerId("nobody")})[SellerId("nobody")]->empty());
}
