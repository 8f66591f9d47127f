// A numbered message to a seller, as the router reads it, and as rules see it.
#include <string>

#include "common/codec/seller_order.hpp"
#include "tests/fuzz/decoding.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static codec::Decoder decoder(limits());
    const auto body = text_of(data, size);
    const auto all = decoder.decode(body);
    for (const auto& one : all) {
        if (const auto* problem = std::get_if<codec::Problem>(&one.content)) {
            check_problem(*problem);
        } else if (const auto* message =
                       std::get_if<message::SellerMessage>(&std::get<message::Event>(one.content).payload)) {
            property(message->number >= 1, "numbers count from 1");
            property(!message->seller_id.empty() && !message->stream.empty(),
                     "a seller's message has a stream");
        }
    }
    const auto routed = codec::read_routed_order(std::string(body));
    if (const auto* trouble = std::get_if<std::string>(&routed)) check_complaint(*trouble, detail_bytes_max);
    return 0;
}
