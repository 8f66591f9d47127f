// AMQPS_URL is a TLS listener that also takes client certificates; AMQP_TLS_FOLDER has ca.pem, client.pem,
// client.key, the client's certificate naming a user of the broker.
#include <doctest/doctest.h>

#include "common/amqp/consumer.hpp"
#include "common/amqp/publisher.hpp"
#include "tests/integration/amqp/broker.hpp"
#include "tests/integration/amqp/received.hpp"

namespace cartwright::amqp::tests {
namespace {

using std::chrono::seconds;

void publish_and_consume(const ConnectionSettings& over_tls) {
    Broker broker;
    const auto queue = broker.quorum_queue();
    Received received;
    Publisher publisher(over_tls, {});
    Consumer consumer(over_tls, {received.subscription(queue, 200)});
    publisher.start();
    consumer.start();
    std::vector<Outgoing> messages;
    for (int i = 0; i < 500; ++i) {
        auto message = message_to(queue, std::string(static_cast<std::size_t>(i) * 200, 'x'));
        message.message_id = std::to_string(i);
        messages.push_back(message);
    }
    publisher.publish(messages, [] {});
    CHECK(publisher.drain(seconds(60)));
    std::size_t done = 0;
    while (done < 500) {
        REQUIRE(eventually([&] { return received.count() > done; }));
        const auto tokens = received.tokens();
        consumer.acknowledge(std::span(tokens).subspan(done));
        done = tokens.size();
    }
    for (std::size_t i = 0; i < 500; ++i) CHECK(received.at(i).body.size() == i * 200);
    consumer.close();
    CHECK(broker.depth(queue) == 0);
}

TEST_CASE("publishing and consuming over TLS") {
    const auto url = variable("AMQPS_URL");
    const auto folder = variable("AMQP_TLS_FOLDER");
    if (!url || !folder) return;
    auto over_tls = settings(*url);
    over_tls.tls_ca_file = *folder + "/ca.pem";
    SUBCASE("with a password") {}
    SUBCASE("with a certificate instead of a password") {
        over_tls.tls_certificate_file = *folder + "/client.pem";
        over_tls.tls_key_file = *folder + "/client.key";
        over_tls.external_authentication = true;
    }
    publish_and_consume(over_tls);
}

TEST_CASE("a broker that nobody vouches for is not spoken to") {
    const auto url = variable("AMQPS_URL");
    if (!url) return;
    Publisher publisher(settings(*url), {});
    publisher.start();
    CHECK(eventually([&] { return publisher.trouble().find("verif") != std::string::npos; }));
    CHECK_FALSE(publisher.connected());
}

}  // namespace
}  // namespace cartwright::amqp::tests
