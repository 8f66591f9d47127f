// How to reach the broker.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace cartwright::amqp {

struct ConnectionSettings {
    std::string url;   ///< amqp://user:password@host:port/vhost, amqps:// for TLS; no vhost means /
    std::string name;  ///< shown by the broker as connection name
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds rpc_timeout{10'000};
    std::chrono::seconds heartbeat{10};
    /// A broker that takes no bytes for this long is given up: the watchdog shuts the socket down.
    std::chrono::milliseconds stall_timeout{20'000};
    /// Of a consumer: while it holds more bytes of bodies that are not acknowledged, it reads nothing.
    std::size_t intake_bytes_max = 67'108'864;
    std::chrono::milliseconds reconnect_delay_min{100};
    std::chrono::milliseconds reconnect_delay_max{5'000};
    /// Without a CA file the system's are trusted; certificate and key are for a broker that asks for them.
    std::string tls_ca_file, tls_certificate_file, tls_key_file;
    /// The broker knows us by our certificate (SASL EXTERNAL) instead of the password in the URL.
    bool external_authentication = false;
};

}  // namespace cartwright::amqp
