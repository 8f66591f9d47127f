// The `data` of events of the types in FUZZ_TYPES: inside an event, and as a stored answer.
#include <string>

#include "tests/fuzz/decoding.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

constexpr std::string_view types[] = {FUZZ_TYPES};

/// Every part of an order has to be readable as the message that its seller gets.
void check_parts(codec::Decoder& decoder, const Order& order) {
    for (std::size_t i = 0; i < order.sellers.size(); ++i) {
        const auto json = codec::encode_seller_order({&order, i, "main", 7, Timestamp{}, {}});
        const auto read = one_event(decoder, json);
        const auto* message = std::get_if<message::SellerMessage>(&read.payload);
        property(message != nullptr && message->number == 7 && message->stream == StreamName("main") &&
                     message->seller_id == order.sellers[i].seller_id,
                 "a seller's message keeps its place");
    }
}

void check_payload(codec::Decoder& decoder, std::string_view type, const message::Payload& payload) {
    const auto json = codec::encode_data(payload);
    const auto again = decoder.decode_data(type, json);
    const auto* read = std::get_if<message::Payload>(&again);
    property(read != nullptr, "data that was written can be read");
    property(codec::encode_data(*read) == json, "data that was read, written and read again is the same");
    if (const auto* placed = std::get_if<message::OrderPlaced>(&payload)) check_parts(decoder, placed->order);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static codec::Decoder decoder(limits()), other(limits());
    const auto data = text_of(bytes, size);
    for (const auto type : types) {
        const auto stored = decoder.decode_data(type, data);
        if (const auto* problem = std::get_if<codec::Problem>(&stored)) {
            check_problem(*problem);
        } else {
            check_payload(other, type, std::get<message::Payload>(stored));
        }
        std::string body = R"({"specversion":"1.0","id":"e-1","source":"shop","type":")";
        body.append(type).append(R"(","data":)").append(data).append("}");
        for (const auto& one : decoder.decode(body)) check_decoded(other, one);
    }
    return 0;
}
