#include "workers/reserver/checking.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace cartwright::reserver {
namespace {

using catalogue::Offer;

Rejection reason(const CartLine& line, const char* code, std::string detail) {
    return {line.line_id, line.sku, code, std::move(detail)};
}

/// Why this offer can't serve the line; an empty code when it can.
Rejection objection(const Cart& cart, const CartLine& line, const Offer& offer) {
    auto objection = unsellable(offer);
    if (!objection.code.empty()) {
        objection.line_id = line.line_id;
        return objection;
    }
    if (offer.currency != cart.currency) {
        return reason(line, rejection::currency_mismatch,
                      fmt::format("seller {} sells it in {}, the cart is in {}", offer.seller_id,
                                  offer.currency, cart.currency));
    }
    if (!cart.paid && line.unit_price_minor && *line.unit_price_minor != offer.price_minor) {
        return reason(
            line, rejection::price_changed,
            fmt::format("it costs {} now, the cart says {}", offer.price_minor, *line.unit_price_minor));
    }
    return {};
}

void check_line(const Cart& cart, const CartLine& line, const std::vector<Offer>& offers, Checked& checked) {
    auto& candidates = checked.candidates.emplace_back();
    if (offers.empty()) {
        checked.reasons.push_back(
            reason(line, rejection::unknown_sku, fmt::format("nobody sells SKU {}", line.sku)));
        return;
    }
    Rejection first;
    bool named = false;
    for (const auto& offer : offers) {
        if (line.seller_id && offer.seller_id != *line.seller_id) continue;
        named = true;
        auto against = objection(cart, line, offer);
        if (against.code.empty()) {
            candidates.push_back(&offer);
        } else if (first.code.empty()) {
            first = std::move(against);
        }
    }
    if (!named) {
        first = reason(line, rejection::seller_mismatch,
                       fmt::format("seller {} does not sell SKU {}", *line.seller_id, line.sku));
    }
    if (candidates.empty()) checked.reasons.push_back(std::move(first));
    std::stable_sort(candidates.begin(), candidates.end(), [](const Offer* left, const Offer* right) {
        return left->price_minor < right->price_minor;
    });
}

/// Does the order's total fit in 64 bits, whichever of the candidates serves each line?
bool total_fits(const Cart& cart, const Checked& checked) {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < cart.lines.size(); ++i) {
        std::int64_t dearest = 0;
        for (const auto* offer : checked.candidates[i])
            dearest = std::max(dearest, price_of(cart, cart.lines[i], *offer));
        std::int64_t product = 0;
        if (__builtin_mul_overflow(cart.lines[i].quantity, dearest, &product) ||
            __builtin_add_overflow(total, product, &total))
            return false;
    }
    return true;
}

}  // namespace

std::vector<Rejection> check_shape(const Cart& cart, const CartLimits& limits) {
    if (cart.lines.empty()) return {{{}, {}, rejection::empty_cart, "the cart has no lines"}};
    if (cart.lines.size() > limits.lines_max) {
        return {{{},
                 {},
                 rejection::too_many_lines,
                 fmt::format("{} lines; at most {} are taken", cart.lines.size(), limits.lines_max)}};
    }
    std::vector<Rejection> reasons;
    std::set<LineId> seen;
    for (const auto& line : cart.lines) {
        if (!seen.insert(line.line_id).second) {
            reasons.push_back(reason(line, rejection::repeated_line_id, "another line has the same line_id"));
        }
        if (line.quantity <= 0 || line.quantity > limits.quantity_max) {
            reasons.push_back(reason(
                line, rejection::quantity_invalid,
                fmt::format("quantity {}; from 1 to {} is taken", line.quantity, limits.quantity_max)));
        }
    }
    return reasons;
}

Checked check_against(const Cart& cart, const OffersBySku& offers) {
    Checked checked;
    for (const auto& line : cart.lines) check_line(cart, line, *offers.at(line.sku), checked);
    if (checked.reasons.empty() && !total_fits(cart, checked)) {
        checked.reasons.push_back({{},
                                   {},
                                   rejection::total_too_large,
                                   "the sum of quantity x price over all lines does not fit in 64 bits"});
    }
    return checked;
}

Rejection unsellable(const Offer& offer) {
    if (!offer.seller_active) {
        return {{},
                offer.sku,
                rejection::seller_suspended,
                fmt::format("seller {} is suspended", offer.seller_id)};
    }
    if (!offer.active) {
        return {{},
                offer.sku,
                rejection::offer_inactive,
                fmt::format("seller {} no longer offers it", offer.seller_id)};
    }
    return {};
}

std::int64_t price_of(const Cart& cart, const CartLine& line, const Offer& offer) {
    return cart.paid && line.unit_price_minor ? *line.unit_price_minor : offer.price_minor;
}

}  // namespace cartwright::reserver
