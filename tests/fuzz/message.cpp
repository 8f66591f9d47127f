// The body of a message, as any publisher may send it: one event, a batch, or neither.
#include <vector>

#include "tests/fuzz/decoding.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static codec::Decoder decoder(limits()), other(limits());
    const auto body = text_of(data, size);
    const auto all = decoder.decode(body);
    property(!all.empty() || body.find_first_not_of(" \t\r\n[]") == std::string_view::npos,
             "only an empty batch has no members");
    for (const auto& one : all) {
        property(one.raw.data() >= body.data() && one.raw.data() + one.raw.size() <= body.data() + size,
                 "a member's text lies in the body");
        check_decoded(other, one);
    }
    return 0;
}
