#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/codec/encode.hpp"
#include "common/codec/wire_names.hpp"

namespace cartwright::codec {
namespace {

// Every value is written with its length, and what is absent as "-", so that no two carts share a text.

void append(std::string& to, std::string_view value) {
    const fmt::format_int size(value.size());
    to.append(size.data(), size.size());
    to += ':';
    to += value;
    to += ';';
}

void append(std::string& to, std::int64_t value) {
    const fmt::format_int digits(value);
    append(to, std::string_view(digits.data(), digits.size()));
}

constexpr std::string_view absent = "-;";

bool before(const CartLine* left, const CartLine* right) {
    const auto key = [](const CartLine& line) {
        return std::tie(line.line_id, line.sku, line.seller_id, line.quantity, line.unit_price_minor);
    };
    return key(*left) < key(*right);
}

}  // namespace

std::string canonical_cart(const Cart& cart) {
    std::vector<const CartLine*> lines;
    lines.reserve(cart.lines.size());
    for (const auto& line : cart.lines) lines.push_back(&line);
    std::sort(lines.begin(), lines.end(), before);

    std::string text;
    text.reserve(160 + lines.size() * 112);
    append(text, "cart.v1");
    append(text, cart.order_id.str());
    append(text, cart.channel);
    append(text, cart.currency);
    append(text, cart.paid ? "paid" : "unpaid");
    append(text, name_of(cart.policy));
    if (cart.placed_at) {
        append(text, cart.placed_at->time_since_epoch().count());
    } else {
        text += absent;
    }
    append(text, static_cast<std::int64_t>(lines.size()));
    for (const auto* line : lines) {
        append(text, line->line_id.str());
        append(text, line->sku.str());
        if (line->seller_id) {
            append(text, line->seller_id->str());
        } else {
            text += absent;
        }
        append(text, line->quantity);
        if (line->unit_price_minor) {
            append(text, *line->unit_price_minor);
        } else {
            text += absent;
        }
    }
    return text;
}

}  // namespace cartwright::codec
