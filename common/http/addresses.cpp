#include "common/http/addresses.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace cartwright::http {
namespace {

struct Block {
    std::uint32_t address;
    int bits;
};

constexpr std::uint32_t v4(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return (a << 24U) | (b << 16U) | (c << 8U) | d;
}

constexpr std::array<Block, 15> private_v4{{{v4(0, 0, 0, 0), 8},
                                            {v4(10, 0, 0, 0), 8},
                                            {v4(100, 64, 0, 0), 10},
                                            {v4(127, 0, 0, 0), 8},
                                            {v4(169, 254, 0, 0), 16},
                                            {v4(172, 16, 0, 0), 12},
                                            {v4(192, 0, 0, 0), 24},
                                            {v4(192, 0, 2, 0), 24},
                                            {v4(192, 88, 99, 0), 24},
                                            {v4(192, 168, 0, 0), 16},
                                            {v4(198, 18, 0, 0), 15},
                                            {v4(198, 51, 100, 0), 24},
                                            {v4(203, 0, 113, 0), 24},
                                            {v4(224, 0, 0, 0), 4},
                                            {v4(240, 0, 0, 0), 4}}};

bool is_private_v4(std::uint32_t address) {
    return std::any_of(private_v4.begin(), private_v4.end(), [&](const Block& block) {
        const auto mask = ~std::uint32_t{0} << (32U - static_cast<unsigned>(block.bits));
        return (address & mask) == block.address;
    });
}

std::uint32_t number_at(const std::array<std::uint8_t, 16>& bytes, std::size_t at) {
    return v4(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

/// Only 2000::/3 is handed out; within it tunnels and documentation are not.
bool is_private_v6(const std::array<std::uint8_t, 16>& bytes) {
    const bool translated =
        number_at(bytes, 0) == 0x0064ff9b && number_at(bytes, 4) == 0 && number_at(bytes, 8) == 0;
    if (translated) return is_private_v4(number_at(bytes, 12));
    if ((bytes[0] & 0xe0U) != 0x20U) return true;
    if (bytes[0] == 0x20 && bytes[1] == 0x02) return is_private_v4(number_at(bytes, 2));  // 6to4
    const auto head = number_at(bytes, 0);
    const bool protocols = (head & 0xfffffe00U) == 0x20010000;  // 2001::/23: Teredo, benchmarks, identifiers
    return protocols || head == 0x20010db8 || (head >> 12U) == 0x3fff0;
}

}  // namespace

bool is_private(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        sockaddr_in v4_address{};
        std::memcpy(&v4_address, &address, sizeof(v4_address));
        return is_private_v4(ntohl(v4_address.sin_addr.s_addr));
    }
    if (address.sa_family != AF_INET6) return true;
    sockaddr_in6 v6_address{};
    std::memcpy(&v6_address, &address, sizeof(v6_address));
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6_address.sin6_addr, bytes.size());
    const bool mapped =
        std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t byte) { return byte == 0; }) &&
        bytes[10] == 0xff && bytes[11] == 0xff;
    return mapped ? is_private_v4(number_at(bytes, 12)) : is_private_v6(bytes);
}

}  // namespace cartwright::http
