#include "workers/splitter/messages.hpp"

#include <utility>

#include "common/codec/encode.hpp"

namespace cartwright::splitter {

using routing::Work;
using routing::WorkKind;

std::optional<Work> work_of(const worker::Member& member) {
    const auto& event = member.event;
    if (const auto* cancelled = std::get_if<message::OrderCancelled>(&event.payload)) {
        if (cancelled->whole)
            return Work{WorkKind::cancelled_whole, cancelled->order_id, {}, nullptr, cancelled};
        return Work{WorkKind::cancelled_lines, cancelled->order_id, event.envelope.id, nullptr, cancelled};
    }
    const auto* placed = std::get_if<message::OrderPlaced>(&event.payload);
    if (placed == nullptr || event.envelope.type != message::type::order_ready) return std::nullopt;
    return Work{WorkKind::ready, placed->order.order_id, {}, &placed->order, nullptr};
}

Numbered numbered(const routing::NewMessage& message, std::int64_t number, const Work& work,
                  const message::Envelope& envelope) {
    const auto& stream = message.stream.stream.str();
    Numbered result{
        {message.stream, number}, work.order_id, std::string(message::type::seller_order), {}, message.rule};
    if (work.kind == WorkKind::ready) {
        const auto time = work.order->placed_at.value_or(envelope.time.value_or(now()));
        result.body = codec::encode_seller_order(
            {work.order, message.seller, stream, number, time, envelope.traceparent});
    } else {
        const auto time = envelope.time.value_or(now());
        result.type = message::type::seller_cancellation;
        result.body = codec::encode_seller_cancellation(
            {work.cancelled, message.seller, stream, number, time, envelope.traceparent});
    }
    return result;
}

worker::EncodedEvent event_of(Numbered message) {
    const auto& stream = message.place.stream;
    return {codec::seller_message_id(stream.seller_id, stream.stream.str(), message.place.number),
            std::move(message.type), std::move(message.body)};
}

}  // namespace cartwright::splitter
