#include "common/http/addresses.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <initializer_list>

using cartwright::http::is_private;

namespace {

sockaddr_in6 v6(const char* text) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    REQUIRE(inet_pton(AF_INET6, text, &address.sin6_addr) == 1);
    return address;
}

bool private_text(const char* text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (inet_pton(AF_INET, text, &address.sin_addr) == 1)
        return is_private(reinterpret_cast<sockaddr&>(address));
    auto other = v6(text);
    return is_private(reinterpret_cast<sockaddr&>(other));
}

}  // namespace

TEST_CASE("addresses that no seller can have") {
    for (const auto* text :
         {"0.0.0.0",         "10.1.2.3",          "100.64.0.1",      "127.0.0.1",   "127.9.9.9",
          "169.254.169.254", "172.16.0.1",        "172.31.255.255",  "192.168.1.1", "192.0.2.1",
          "198.18.0.1",      "224.0.0.1",         "255.255.255.255", "::",          "::1",
          "fe80::1",         "fc00::1",           "fd12::1",         "ff02::1",     "::ffff:127.0.0.1",
          "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1",    "2001:db8::1", "2001::1",
          "2002:7f00:1::",   "2002:a00:1::",      "100::1",          "2001:2::1",   "3fff::1",
          "5f00::1",         "::127.0.0.1"})
        CHECK_MESSAGE(private_text(text), text);
    for (const auto* text : {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1",
                             "172.32.0.1", "192.167.0.1", "223.255.255.255", "2606:4700::1111",
                             "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"})
        CHECK_MESSAGE(!private_text(text), text);
}
