// Addresses that endpoints resolve to: whatever carries a private address is private.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

#include "common/http/addresses.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

using Bytes = std::array<std::uint8_t, 16>;

bool is_private(const Bytes& bytes) {
    sockaddr_storage storage{};
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    std::memcpy(&address.sin6_addr, bytes.data(), bytes.size());
    return http::is_private(reinterpret_cast<sockaddr&>(storage));
}

bool is_private_v4(const std::uint8_t* four) {
    sockaddr_storage storage{};
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, four, 4);
    return http::is_private(reinterpret_cast<sockaddr&>(storage));
}

/// The four bytes in an IPv6 address behind a beginning.
Bytes carried(std::initializer_list<std::uint8_t> begin, std::size_t at, const std::uint8_t* four) {
    Bytes bytes{};
    std::copy(begin.begin(), begin.end(), bytes.begin());
    std::copy(four, four + 4, bytes.begin() + static_cast<std::ptrdiff_t>(at));
    return bytes;
}

void check_v4(const std::uint8_t* four) {
    const bool is = is_private_v4(four);
    property(is_private(carried({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12, four)) == is,
             "mapped is the same");
    property(is_private(carried({0, 0x64, 0xff, 0x9b}, 12, four)) == is, "translated is the same");
    property(is_private(carried({0x20, 0x02}, 2, four)) == is, "6to4 is the same");
    property(is_private(carried({}, 12, four)), "IPv4-compatible addresses are nobody's");
    if (four[0] == 127 || four[0] == 10 || (four[0] == 169 && four[1] == 254) || four[0] >= 224 ||
        four[0] == 0)
        property(is, "private networks are private");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    check_v4(data);
    if (size < 16) return 0;
    Bytes bytes{};
    std::copy(data, data + 16, bytes.begin());
    const bool is = is_private(bytes);
    const bool carries = bytes[0] == 0;  // mapped or translated
    if (!is && !carries) property((bytes[0] & 0xe0U) == 0x20, "only global unicast is public");
    return 0;
}
