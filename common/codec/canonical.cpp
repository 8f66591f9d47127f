#include <algorithm>

#include "common/codec/encode.hpp"
#include "common/codec/words.hpp"
#include "common/codec/writer.hpp"

namespace cartwright::codec {

std::string canonical_cart(const Cart& cart) {
    std::vector<const CartLine*> lines;
    lines.reserve(cart.lines.size());
    for (const auto& line : cart.lines) lines.push_back(&line);
    std::stable_sort(lines.begin(), lines.end(),
                     [](const CartLine* left, const CartLine* right) { return left->line_id < right->line_id; });
    Writer writer;
    writer.open_object().field("order_id", cart.order_id.str()).field("channel", cart.channel);
    writer.field("currency", cart.currency).field("paid", cart.paid).field("policy", word_of(cart.policy));
    if (cart.placed_at) writer.field("placed_at", to_rfc3339(*cart.placed_at));
    writer.key("lines").open_array();
    for (const auto* line : lines) {
        writer.open_object().field("line_id", line->line_id.str()).field("sku", line->sku.str());
        if (line->seller_id) writer.field("seller_id", line->seller_id->str());
        writer.field("quantity", line->quantity);
        if (line->unit_price_minor) writer.field("unit_price_minor", *line->unit_price_minor);
        writer.close_object();
    }
    return writer.close_array().close_object().take();
}

}  // namespace cartwright::codec
