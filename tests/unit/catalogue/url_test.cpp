#include <doctest/doctest.h>

#include "common/catalogue/settings.hpp"
#include "common/outcome/trouble.hpp"

using namespace cartwright::catalogue;

TEST_CASE("a URL is taken apart") {
    const Address address = parse_url("mysql://cartwright:secret@127.0.0.1:3307/shop");
    CHECK(address.user == "cartwright");
    CHECK(address.password == "secret");
    CHECK(address.host == "127.0.0.1");
    CHECK(address.port == 3307);
    CHECK(address.database == "shop");
}

TEST_CASE("what may be left out, encoded or bracketed") {
    const Address plain = parse_url("mariadb://user@db.example/shop");
    CHECK(plain.password.empty());
    CHECK(plain.host == "db.example");
    CHECK(plain.port == 3306);
    const Address encoded = parse_url("mysql://us%65r%40x:p%2F%3a%25@host/my%20shop");
    CHECK(encoded.user == "user@x");
    CHECK(encoded.password == "p/:%");
    CHECK(encoded.database == "my shop");
    CHECK(parse_url("mysql://u:a:b@h/d").password == "a:b");
    CHECK(parse_url("mysql://u:a@b@h/d").password == "a@b");
    const Address v6 = parse_url("mysql://u@[::1]:3308/d");
    CHECK(v6.host == "::1");
    CHECK(v6.port == 3308);
    CHECK(parse_url("mysql://u@[fe80::2]/d").host == "fe80::2");
}

TEST_CASE("anything else is refused without showing the password") {
    for (const char* url : {"",
                            "postgresql://u:hidden@h/d",
                            "mysql:/u:hidden@h/d",
                            "mysql://u:hidden@h",
                            "mysql://u:hidden@h/",
                            "mysql://h/d",
                            "mysql://:hidden@h/d",
                            "mysql://u:hidden@/d",
                            "mysql://u:hidden@:3306/d",
                            "mysql://u:hidden@h:0/d",
                            "mysql://u:hidden@h:65536/d",
                            "mysql://u:hidden@h:x/d",
                            "mysql://u:hidden@h:/d",
                            "mysql://u:hidden@h:33 06/d",
                            "mysql://u:hidden%4@h/d",
                            "mysql://u:hidden%zz@h/d",
                            "mysql://u:hidden%@h/d",
                            "mysql://u:hidden%00@h/d",
                            "mysql://u:hidden@h/d?x=y",
                            "mysql://u:hidden@h/d/e",
                            "mysql://u:hidden@[::1/d",
                            "mysql://u:hidden@[::1]x/d"}) {
        INFO(url);
        try {
            parse_url(url);
            FAIL("accepted");
        } catch (const cartwright::outcome::StartupError& trouble) {
            const std::string text = trouble.what();
            CHECK(text.starts_with("the URL of the catalogue "));
            CHECK(text.find("hidden") == std::string::npos);
        }
    }
}
