// Complaints of the JSON library, which quotes what it read, byte by byte and whole.
#include <doctest/doctest.h>

#include <string>

#include "common/codec/management.hpp"
#include "common/codec/seller_order.hpp"
#include "common/outcome/trouble.hpp"
#include "common/text/utf8.hpp"

using namespace cartwright;

namespace {

const std::string texts[] = {"\"\xff\"", "{\"\xe2\x82", '"' + std::string(100'000, 'x')};

bool can_be_shown(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto length = text::utf8_sequence(text, at);
        if (length == 0) return false;
        at += length;
    }
    return !text.empty() && text.size() < 500;
}

}  // namespace

TEST_CASE("a complaint about a seller's order is short UTF-8") {
    for (const auto& text : texts) {
        const auto read = codec::read_routed_order(text);
        REQUIRE(std::holds_alternative<std::string>(read));
        CHECK(can_be_shown(std::get<std::string>(read)));
    }
}

TEST_CASE("a complaint about the management API is short UTF-8") {
    for (const auto& text : texts) {
        std::string complaint;
        try {
            codec::read_queues(text);
        } catch (const outcome::Refused& refused) {
            complaint = refused.what();
        }
        CHECK(can_be_shown(complaint));
    }
}
