// Pieces of JSON that an order and the messages to its sellers have in common.
#pragma once

#include "common/codec/json_writer.hpp"
#include "common/message/event.hpp"

namespace cartwright::codec {

/// The attributes up to `source`, then those that are there of `time` and `traceparent`; the object stays
/// open.
void begin_event(JsonWriter& writer, const message::Envelope& envelope);

void write_tags(JsonWriter& writer, const SellerPart& part);
void write_lines(JsonWriter& writer, const SellerPart& part);
void write_lines(JsonWriter& writer, const message::SellerCancellation& cancellation);

}  // namespace cartwright::codec
