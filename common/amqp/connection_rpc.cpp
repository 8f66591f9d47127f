// The questions that wait for their answer, and what the library's and the broker's errors become.
#include "common/amqp/connection.hpp"

#include <sys/time.h>

#include <array>

#include <fmt/format.h>

#include "common/outcome/trouble.hpp"

namespace cartwright::amqp {

void Connection::fail(const std::string& why) {
    const auto text = guard_.tripped() ? "the broker took no bytes in time" : why;
    drop();
    throw outcome::Unavailable(fmt::format("broker {}: {}", endpoint_, text));
}

void Connection::check(int status, const char* doing) {
    if (status < 0) fail(fmt::format("{}: {}", doing, amqp_error_string2(status)));
}

void Connection::closed_by_broker(const amqp_connection_close_t& close) {
    const auto text = fmt::format("closed by the broker: {} {}", close.reply_code, text_of(close.reply_text));
    amqp_connection_close_ok_t arguments{};
    guard_([&] { return amqp_send_method(handle_, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &arguments); });
    fail(text);
}

void Connection::check(const amqp_rpc_reply_t& reply, const char* doing) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) check(reply.library_error, doing);
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD)
        closed_by_broker(*static_cast<const amqp_connection_close_t*>(reply.reply.decoded));
    fail(fmt::format("{}: connection closed", doing));
}

/// Waits for one answer; a channel that the broker closes over the question is free again afterwards.
template <class Call>
amqp_rpc_reply_t Connection::ask(ChannelNumber channel, const char* doing, Call&& call) {
    if (handle_ == nullptr) fail("not connected");
    flush();
    const amqp_rpc_reply_t reply = guard_(call);
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const auto& close = *static_cast<const amqp_channel_close_t*>(reply.reply.decoded);
        const ChannelClosed closed(close.reply_code, text_of(close.reply_text));
        confirm_closed(channel);
        flush();
        throw closed;
    }
    check(reply, doing);
    return reply;
}

void Connection::open_and_wait(ChannelNumber channel) {
    ask(channel, "opening a channel", [&] {
        amqp_channel_open(handle_, channel);
        return amqp_get_rpc_reply(handle_);
    });
}

void Connection::close_and_wait(ChannelNumber channel, std::chrono::milliseconds patience) noexcept {
    if (handle_ == nullptr || blocked_) return;
    flush();
    set_rpc_timeout(patience);
    guard_([&] { return amqp_channel_close(handle_, channel, AMQP_REPLY_SUCCESS); });
}

void Connection::select_confirms(ChannelNumber channel) {
    ask(channel, "asking for confirms", [&] {
        amqp_confirm_select(handle_, channel);
        return amqp_get_rpc_reply(handle_);
    });
}

void Connection::find_exchange(ChannelNumber channel, const std::string& exchange) {
    ask(channel, "looking for an exchange", [&] {
        amqp_exchange_declare(handle_, channel, bytes_of(exchange), bytes_of("topic"), 1, 1, 0, 0,
                              amqp_empty_table);
        return amqp_get_rpc_reply(handle_);
    });
}

std::uint64_t Connection::find_queue(ChannelNumber channel, const std::string& queue) {
    std::uint64_t ready = 0;
    ask(channel, "looking for a queue", [&] {
        const auto* ok = amqp_queue_declare(handle_, channel, bytes_of(queue), 1, 1, 0, 0, amqp_empty_table);
        if (ok != nullptr) ready = ok->message_count;
        return amqp_get_rpc_reply(handle_);
    });
    return ready;
}

void Connection::declare_quorum_queue(ChannelNumber channel, const std::string& queue,
                                      std::int64_t delivery_limit) {
    std::array<amqp_table_entry_t, 2> entries{};
    entries[0].key = bytes_of("x-queue-type");
    entries[0].value.kind = AMQP_FIELD_KIND_UTF8;
    entries[0].value.value.bytes = bytes_of("quorum");
    entries[1].key = bytes_of("x-delivery-limit");
    entries[1].value.kind = AMQP_FIELD_KIND_I64;
    entries[1].value.value.i64 = delivery_limit;
    const amqp_table_t arguments{static_cast<int>(entries.size()), entries.data()};
    ask(channel, "declaring a queue", [&] {
        amqp_queue_declare(handle_, channel, bytes_of(queue), 0, 1, 0, 0, arguments);
        return amqp_get_rpc_reply(handle_);
    });
}

void Connection::bind_and_wait(ChannelNumber channel, const std::string& queue, const std::string& exchange,
                               const std::string& routing_key) {
    ask(channel, "binding a queue", [&] {
        amqp_queue_bind(handle_, channel, bytes_of(queue), bytes_of(exchange), bytes_of(routing_key),
                        amqp_empty_table);
        return amqp_get_rpc_reply(handle_);
    });
}

bool Connection::begin_get(ChannelNumber channel, const std::string& queue, Assembler& assembler) {
    const auto reply = ask(channel, "getting a message",
                           [&] { return amqp_basic_get(handle_, channel, bytes_of(queue), 0); });
    if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD) return false;
    amqp_frame_t frame{};
    frame.frame_type = AMQP_FRAME_METHOD;
    frame.channel = channel;
    frame.payload.method = reply.reply;
    return assembler.feed(frame);
}

}  // namespace cartwright::amqp
