#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>

#include "common/outcome/trouble.hpp"
#include "tests/integration/catalogue/server.hpp"

using namespace cartwright;
using namespace cartwright::catalogue;
using namespace std::chrono_literals;
using server::Database;

namespace {

const std::array<Sku, 1> anything{Sku("anything")};

// Takes connections and says nothing.
class SilentServer {
  public:
    SilentServer() : number_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(bind(number_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
        REQUIRE(listen(number_, 8) == 0);
        REQUIRE(getsockname(number_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
        port_ = ntohs(address.sin_port);
    }
    ~SilentServer() { close(number_); }
    unsigned port() const { return port_; }

  private:
    int number_;
    unsigned port_ = 0;
};

Address reader_address(const Database& database) {
    return parse_url(database.reader_url());
}

}  // namespace

TEST_CASE("a connection that the server closed is replaced without anybody noticing") {
    Database database;
    database.add_seller("s");
    database.add_offer("s", "anything");
    Catalogue catalogue(database.reader());
    for (int i = 0; i < 3; ++i) {
        CHECK(catalogue.fresh_offers(anything)[anything[0]]->size() == 1);
        database.kill_readers();
    }
}

TEST_CASE("a read that is killed while it runs is Unavailable, the next one works") {
    Database database;
    database.add_seller("s");
    database.add_offer("s", "anything");
    Catalogue catalogue(database.reader());
    catalogue.fresh_offers(anything);
    database.admin().execute("lock tables offer write");
    auto killed = std::async(std::launch::async, [&] { catalogue.fresh_offers(anything); });
    database.wait_until_reader_waits();
    std::this_thread::sleep_for(1100ms);  // a statement that failed at once would be run again
    database.kill_readers();
    CHECK_THROWS_AS(killed.get(), outcome::Unavailable);
    database.admin().execute("unlock tables");
    CHECK(catalogue.fresh_offers(anything)[anything[0]]->size() == 1);
}

TEST_CASE("a server that is away, silent or does not know us is Unavailable") {
    Database database;
    SilentServer silent;
    Address away = reader_address(database);
    {
        const SilentServer gone;
        away.port = gone.port();
    }
    Address wrong_password = reader_address(database);
    wrong_password.password = "wrong";
    Address no_database = reader_address(database);
    no_database.database = "nowhere";
    Address unknown_host = reader_address(database);
    unknown_host.host = "no-such-host.invalid";
    Address mute = reader_address(database);
    mute.port = silent.port();
    for (const Address& address : {away, wrong_password, no_database, unknown_host, mute}) {
        Settings settings = server::settings_of(server::url_with(address));
        settings.connect_timeout = 1s;
        settings.read_timeout = 1s;
        Catalogue catalogue(settings);
        const auto began = std::chrono::steady_clock::now();
        for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(catalogue.offers(anything), outcome::Unavailable);
        CHECK(std::chrono::steady_clock::now() - began < 20s);
    }
}

TEST_CASE("a server that stops answering is Unavailable in time") {
    Database database;
    Settings settings = database.reader();
    settings.read_timeout = 1s;
    Catalogue catalogue(settings);
    catalogue.offers(std::array{Sku("connects")});
    database.admin().execute("lock tables offer write");
    const auto began = std::chrono::steady_clock::now();
    CHECK_THROWS_AS(catalogue.offers(anything), outcome::Unavailable);
    CHECK(std::chrono::steady_clock::now() - began < 8s);
    database.admin().execute("unlock tables");
    CHECK(catalogue.offers(anything)[anything[0]]->empty());
}

TEST_CASE("missing tables and rights pause reads, they refuse no message") {
    Database database;
    Catalogue catalogue(database.reader());
    database.admin().execute("rename table offer to offer_away");
    CHECK_THROWS_AS(catalogue.offers(anything), outcome::Unavailable);
    database.admin().execute("rename table offer_away to offer");
    CHECK(catalogue.offers(anything).size() == 1);
}

TEST_CASE("text that the server cannot take is Refused, and the connection goes on") {
    Database database;
    Catalogue catalogue(database.reader());
    // Where the server takes it, nothing can be found by it.
    try {
        CHECK(catalogue.offers(std::array{Sku("\xff\xfe")})[Sku("\xff\xfe")]->empty());
    } catch (const outcome::Refused&) {
        CHECK(true);
    }
    CHECK(catalogue.offers(anything).size() == 1);
}

TEST_CASE("an impossible URL is told at once") {
    CHECK_THROWS_AS(Catalogue(server::settings_of("postgresql://x")), outcome::StartupError);
}
