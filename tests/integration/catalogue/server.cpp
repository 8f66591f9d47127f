#include "tests/integration/catalogue/server.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "common/outcome/trouble.hpp"

namespace server {

namespace {

std::string encoded(const std::string& text) {
    constexpr const char* digits = "0123456789ABCDEF";
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        result += '%';
        result += digits[byte >> 4U];
        result += digits[byte & 15U];
    }
    return result;
}

std::string next_name() {
    static int count = 0;
    return "catalogue_test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
}

template <class Condition>
void wait_for(const char* what, Condition condition) {
    const auto began = std::chrono::steady_clock::now();
    while (!condition()) {
        INFO("waits for " << std::string(what));
        REQUIRE(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

}  // namespace

std::string migration() {
    std::ifstream file(CATALOGUE_MIGRATION);
    REQUIRE(file.good());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    const std::string text = value == nullptr ? "" : value;
    INFO("the environment variable " << std::string(name) << " names the server");
    REQUIRE_FALSE(text.empty());
    return text;
}

std::string url_with(const catalogue::Address& address) {
    return "mysql://" + encoded(address.user) + ":" + encoded(address.password) + "@" + address.host + ":" +
           std::to_string(address.port) + "/" + encoded(address.database);
}

catalogue::Settings settings_of(const std::string& url) {
    catalogue::Settings settings;
    settings.url = url;
    return settings;
}

Database::Database()
    : address_(catalogue::parse_url(variable("MARIADB_ADMIN_URL"))),
      name_(next_name()),
      user_(name_),
      admin_(settings_of(url_with(address_))) {
    admin_.execute("create database " + name_ + " character set utf8mb4 collate utf8mb4_bin; use " + name_ +
                   ";" + migration());
    admin_.execute("create user '" + user_ + "'@'127.0.0.1' identified by 'pass:w@rd/'; grant select on " +
                   name_ + ".* to '" + user_ + "'@'127.0.0.1'");
}

Database::~Database() {
    try {
        admin_.execute("drop user if exists '" + user_ + "'@'127.0.0.1'; drop database if exists " + name_);
    } catch (const std::exception& trouble) {
        MESSAGE(trouble.what());
    }
}

std::string Database::reader_url() const {
    catalogue::Address address = address_;
    address.user = user_;
    address.password = "pass:w@rd/";
    address.database = name_;
    return url_with(address);
}

std::string Database::admin_url() const {
    catalogue::Address address = address_;
    address.database = name_;
    return url_with(address);
}

void Database::add_seller(const std::string& id, const std::string& status, const std::string& region,
                          const std::string& tags) {
    admin_.select("insert into seller (seller_id, status, region, tags) values (?, ?, ?, ?)",
                  {id, status, region, tags});
}

void Database::add_offer(const std::string& seller, const std::string& sku, std::int64_t price_minor,
                         const std::string& status) {
    admin_.select(
        "insert into offer (seller_id, sku, price_minor, currency, status, category) values (?, ?, ?, 'BRL', "
        "?, 'toys')",
        {seller, sku, std::to_string(price_minor), status});
}

void Database::add_warehouse(const std::string& seller, const std::string& warehouse, int priority) {
    admin_.select("insert into warehouse (seller_id, warehouse, priority) values (?, ?, ?)",
                  {seller, warehouse, std::to_string(priority)});
}

void Database::set_price(const std::string& seller, const std::string& sku, std::int64_t price_minor) {
    admin_.select("update offer set price_minor = ?, version = version + 1 where seller_id = ? and sku = ?",
                  {std::to_string(price_minor), seller, sku});
}

void Database::kill_readers() {
    for (const auto& row :
         admin_.select("select id from information_schema.processlist where user = ?", {user_})) {
        admin_.execute("kill " + row[0].value());
    }
    wait_for("the reader's connections to end", [this] {
        const char* sql = "select count(*) from information_schema.processlist where user = ?";
        return admin_.select_integer(sql, {user_}) == 0;
    });
}

void Database::wait_until_reader_waits() {
    wait_for("the reader to wait for a table", [this] {
        const char* sql =
            "select count(*) from information_schema.processlist where user = ? and state like 'Waiting for "
            "table%'";
        return admin_.select_integer(sql, {user_}) > 0;
    });
}

}  // namespace server
