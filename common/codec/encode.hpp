// Typed events to JSON. Output is deterministic: the same value gives the same bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/message/event.hpp"

namespace cartwright::codec {

/// The `data` object of each kind of event. Not of a SellerMessage, whose data only encode_seller_* know:
/// that is a bug.
std::string encode_data(const message::Payload& payload);

/// A whole event around `data` (an encoded JSON object). `envelope.time` absent: the attribute is left out.
std::string encode_event(const message::Envelope& envelope, std::string_view data);

/// The same with `data` encoded on the way.
std::string encode_event(const message::Envelope& envelope, const message::Payload& payload);

/// Joins encoded events to a batch ("[a,b]").
std::string encode_batch(std::span<const std::string_view> events);

/// What makes two carts with one order id the same cart: every field with a meaning, lines in order of line
/// id, in one deterministic text. Order of JSON keys, white space and unknown fields do not matter.
std::string canonical_cart(const Cart& cart);

/// A numbered order message to a seller: part `part` of `parts` of `order`, which is sellers[seller_index].
struct SellerOrder {
    const Order* order = nullptr;
    std::size_t seller_index = 0;
    std::string stream;
    std::int64_t number = 0;
    Timestamp time;
    std::string traceparent;
};
std::string encode_seller_order(const SellerOrder& message);

/// A numbered cancellation to a seller: sellers[seller_index] of `cancelled`.
struct SellerCancellationMessage {
    const message::OrderCancelled* cancelled = nullptr;
    std::size_t seller_index = 0;
    std::string stream;
    std::int64_t number = 0;
    Timestamp time;
    std::string traceparent;
};
std::string encode_seller_cancellation(const SellerCancellationMessage& message);

/// What stands in the place of a numbered message that its destination never took.
struct SellerVoided {
    SellerId seller_id;
    std::string stream;
    std::int64_t number = 0;
    Timestamp time;
    OrderId order_id;
    std::string voided_type;  ///< of the message that it replaces
    std::string reason;
    std::string voided_by;
};
std::string encode_seller_voided(const SellerVoided& message);

/// The id of a numbered message: "<seller>/<stream>/<number>".
std::string seller_message_id(const SellerId& seller, std::string_view stream, std::int64_t number);

}  // namespace cartwright::codec
