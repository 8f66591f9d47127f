#include "tests/integration/amqp/broker.hpp"

#include <cstdlib>
#include <random>
#include <stdexcept>
#include <thread>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <doctest/doctest.h>
#include <fmt/format.h>

namespace cartwright::amqp::tests {
namespace {

amqp_bytes_t bytes(const std::string& text) {
    amqp_bytes_t made;
    made.len = text.size();
    made.bytes = const_cast<char*>(text.data());
    return made;
}

}  // namespace

std::string broker_url() {
    const char* url = std::getenv("AMQP_URL");
    REQUIRE_MESSAGE(url != nullptr, "AMQP_URL names the broker to test against");
    return url;
}

std::optional<std::string> variable(const char* name) {
    if (const char* value = std::getenv(name)) return value;
    MESSAGE("skipped: " << name << " is not set");
    return std::nullopt;
}

ConnectionSettings settings(const std::string& url) {
    ConnectionSettings made;
    made.url = url;
    made.name = "integration test";
    made.reconnect_delay_min = std::chrono::milliseconds(20);
    made.reconnect_delay_max = std::chrono::milliseconds(200);
    return made;
}

std::string random_name(const std::string& prefix) {
    static std::random_device device;
    return fmt::format("{}.{:08x}{:08x}", prefix, device(), device());
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

struct Broker::State {
    amqp_connection_state_t connection = amqp_new_connection();
    std::vector<std::string> queues, exchanges;

    void check(const char* doing) const {
        const auto reply = amqp_get_rpc_reply(connection);
        if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
        std::string why = "library";
        if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
            reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
            const auto* close = static_cast<amqp_channel_close_t*>(reply.reply.decoded);
            why = std::string(static_cast<char*>(close->reply_text.bytes), close->reply_text.len);
        }
        throw std::runtime_error(fmt::format("test broker: {}: {}", doing, why));
    }

    struct Table {
        std::vector<amqp_table_entry_t> entries;
        explicit Table(const Arguments& arguments) {
            for (const auto& [name, value] : arguments) {
                amqp_table_entry_t entry{};
                entry.key = bytes(name);
                if (const auto* text = std::get_if<std::string>(&value)) {
                    entry.value.kind = AMQP_FIELD_KIND_UTF8;
                    entry.value.value.bytes = bytes(*text);
                } else {
                    entry.value.kind = AMQP_FIELD_KIND_I64;
                    entry.value.value.i64 = std::get<std::int64_t>(value);
                }
                entries.push_back(entry);
            }
        }
        amqp_table_t get() { return {static_cast<int>(entries.size()), entries.data()}; }
    };

    /// basic.get; the tag, zero when the queue is empty.
    std::uint64_t get(const std::string& queue, std::string& body) {
        const auto reply = amqp_basic_get(connection, 1, bytes(queue), 0);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error("test broker: get");
        if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD) return 0;
        const auto tag = static_cast<amqp_basic_get_ok_t*>(reply.reply.decoded)->delivery_tag;
        amqp_message_t message;
        const auto read = amqp_read_message(connection, 1, &message, 0);
        if (read.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error("test broker: read");
        body.assign(static_cast<char*>(message.body.bytes), message.body.len);
        amqp_destroy_message(&message);
        amqp_maybe_release_buffers(connection);
        return tag;
    }
};

Broker::Broker(const std::string& url) : state_(std::make_unique<State>()) {
    auto text = url;
    amqp_connection_info info;
    REQUIRE(amqp_parse_url(text.data(), &info) == AMQP_STATUS_OK);
    auto* socket = amqp_tcp_socket_new(state_->connection);
    REQUIRE(amqp_socket_open(socket, info.host, info.port) == AMQP_STATUS_OK);
    const auto login = amqp_login(state_->connection, info.vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN,
                                  info.user, info.password);
    REQUIRE(login.reply_type == AMQP_RESPONSE_NORMAL);
    amqp_channel_open(state_->connection, 1);
    state_->check("channel");
    amqp_confirm_select(state_->connection, 1);
    state_->check("confirm");
}

Broker::~Broker() {
    for (const auto& queue : state_->queues) amqp_queue_delete(state_->connection, 1, bytes(queue), 0, 0);
    for (const auto& exchange : state_->exchanges)
        amqp_exchange_delete(state_->connection, 1, bytes(exchange), 0);
    amqp_connection_close(state_->connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state_->connection);
}

std::string Broker::quorum_queue(Arguments arguments) {
    const auto name = random_name();
    arguments.emplace("x-queue-type", "quorum");
    declare_queue(name, std::move(arguments));
    return name;
}

void Broker::declare_queue(const std::string& name, Arguments arguments) {
    State::Table table(arguments);
    amqp_queue_declare(state_->connection, 1, bytes(name), 0, 1, 0, 0, table.get());
    state_->check("declare queue");
    state_->queues.push_back(name);
}

std::string Broker::exchange(const std::string& type) {
    const auto name = random_name("test-exchange");
    declare_exchange(name, type);
    return name;
}

void Broker::declare_exchange(const std::string& name, const std::string& type) {
    amqp_exchange_declare(state_->connection, 1, bytes(name), bytes(type), 0, 1, 0, 0, amqp_empty_table);
    state_->check("declare exchange");
    state_->exchanges.push_back(name);
}

void Broker::bind(const std::string& queue, const std::string& exchange, const std::string& key) {
    amqp_queue_bind(state_->connection, 1, bytes(queue), bytes(exchange), bytes(key), amqp_empty_table);
    state_->check("bind");
}

void Broker::delete_queue(const std::string& name) {
    amqp_queue_delete(state_->connection, 1, bytes(name), 0, 0);
    state_->check("delete queue");
}

void Broker::delete_exchange(const std::string& name) {
    amqp_exchange_delete(state_->connection, 1, bytes(name), 0);
    state_->check("delete exchange");
}

std::uint64_t Broker::depth(const std::string& queue) {
    const auto* ok = amqp_queue_declare(state_->connection, 1, bytes(queue), 1, 0, 0, 0, amqp_empty_table);
    state_->check("depth");
    const auto messages = ok->message_count;
    amqp_maybe_release_buffers(state_->connection);
    return messages;
}

std::vector<std::string> Broker::take_all(const std::string& queue) {
    std::vector<std::string> bodies;
    std::string body;
    while (const auto tag = state_->get(queue, body)) {
        bodies.push_back(body);
        amqp_basic_ack(state_->connection, 1, tag, 0);
    }
    return bodies;
}

void Broker::give_back_all(const std::string& queue) {
    std::string body;
    std::uint64_t last = 0;
    while (const auto tag = state_->get(queue, body)) last = tag;
    REQUIRE(last != 0);
    amqp_basic_nack(state_->connection, 1, last, 1, 1);
}

void Broker::publish(const std::string& queue, const std::vector<std::string>& bodies) {
    for (const auto& body : bodies) publish("", queue, body);
}

void Broker::publish(const std::string& exchange, const std::string& key, const std::string& body) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG;
    properties.delivery_mode = 2;
    properties.message_id = bytes(body);
    REQUIRE(amqp_basic_publish(state_->connection, 1, bytes(exchange), bytes(key), 0, 0, &properties,
                               bytes(body)) == AMQP_STATUS_OK);
    amqp_frame_t frame;
    REQUIRE(amqp_simple_wait_frame(state_->connection, &frame) == AMQP_STATUS_OK);
    REQUIRE(frame.payload.method.id == AMQP_BASIC_ACK_METHOD);
    amqp_maybe_release_buffers(state_->connection);
}

Outgoing message_to(const std::string& queue, const std::string& body) {
    Outgoing message;
    message.routing_key = queue;
    message.body = body;
    message.message_id = body;
    message.type = "test";
    return message;
}

}  // namespace cartwright::amqp::tests
