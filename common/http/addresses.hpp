// Which addresses are nobody's on the internet.
#pragma once

struct sockaddr;

namespace cartwright::http {

/// True for IPv4 and IPv6 addresses that are not globally reachable: unspecified, loopback, private, shared,
/// link-local (cloud metadata services live there), multicast, reserved and documentation ranges, and IPv6
/// addresses that carry such an IPv4 address (RFC 6890 and the IANA special-purpose registries). Addresses of
/// other families count as private.
bool is_private(const sockaddr& address);

}  // namespace cartwright::http
