#include "common/stock/allocation.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace cartwright::stock {
namespace {

std::optional<std::size_t> position_in(const Shelf& shelf, std::size_t offer, std::size_t warehouse) {
    for (const auto position : shelf.chains[offer]) {
        if (shelf.positions[position].warehouse == warehouse) return position;
    }
    return std::nullopt;
}

/// The lines of one seller, with what they ask of each offer in all.
struct SellerDemand {
    std::vector<std::size_t> lines;
    std::map<std::size_t, std::int64_t> per_offer;
};

std::vector<SellerDemand> by_seller(const Demand& cart) {
    std::vector<SellerDemand> sellers;
    std::map<std::size_t, std::size_t> index;
    for (std::size_t line = 0; line < cart.lines.size(); ++line) {
        const auto [found, added] = index.try_emplace(cart.lines[line].seller, sellers.size());
        if (added) sellers.emplace_back();
        auto& seller = sellers[found->second];
        seller.lines.push_back(line);
        seller.per_offer[cart.lines[line].offer] += cart.lines[line].quantity;
    }
    return sellers;
}

bool covers(const Shelf& shelf, const SellerDemand& seller, std::size_t warehouse) {
    return std::all_of(seller.per_offer.begin(), seller.per_offer.end(), [&](const auto& wanted) {
        const auto position = position_in(shelf, wanted.first, warehouse);
        return position && shelf.positions[*position].available >= wanted.second;
    });
}

std::optional<std::size_t> warehouse_for_all(const Demand& cart, const Shelf& shelf,
                                             const SellerDemand& seller) {
    for (const auto position : shelf.chains[cart.lines[seller.lines.front()].offer]) {
        const auto warehouse = shelf.positions[position].warehouse;
        if (covers(shelf, seller, warehouse)) return warehouse;
    }
    return std::nullopt;
}

void take(Decision& decision, Shelf& shelf, std::size_t line, std::size_t position, std::int64_t quantity) {
    if (quantity <= 0) return;
    shelf.positions[position].available -= quantity;
    decision.takes.push_back({line, position, quantity});
}

void take_along_chain(Decision& decision, const Demand& cart, Shelf& shelf, std::size_t line) {
    auto missing = cart.lines[line].quantity;
    for (const auto position : shelf.chains[cart.lines[line].offer]) {
        const auto there = std::min(missing, std::max<std::int64_t>(0, shelf.positions[position].available));
        take(decision, shelf, line, position, there);
        missing -= there;
    }
    if (missing > 0) decision.short_lines.push_back(line);
}

void give_back(Decision& decision, Shelf& shelf) {
    for (const auto& taken : decision.takes) shelf.positions[taken.position].available += taken.quantity;
    decision.takes.clear();
}

}  // namespace

Decision allocate(const Demand& cart, Shelf& shelf) {
    Decision decision;
    for (const auto& seller : by_seller(cart)) {
        const auto warehouse = warehouse_for_all(cart, shelf, seller);
        for (const auto line : seller.lines) {
            if (!warehouse) {
                take_along_chain(decision, cart, shelf, line);
                continue;
            }
            const auto& wanted = cart.lines[line];
            take(decision, shelf, line, *position_in(shelf, wanted.offer, *warehouse), wanted.quantity);
        }
    }
    std::sort(decision.short_lines.begin(), decision.short_lines.end());
    std::stable_sort(decision.takes.begin(), decision.takes.end(),
                     [](const Take& left, const Take& right) { return left.line < right.line; });
    if (decision.short_lines.empty()) return decision;
    if (cart.policy == ShortagePolicy::partial && !decision.takes.empty()) return decision;
    give_back(decision, shelf);
    decision.fate = cart.policy == ShortagePolicy::hold ? Fate::held : Fate::rejected;
    return decision;
}

std::vector<Decision> allocate(std::span<const Demand> carts, Shelf& shelf) {
    std::vector<Decision> decisions;
    decisions.reserve(carts.size());
    for (const auto& cart : carts) decisions.push_back(allocate(cart, shelf));
    return decisions;
}

std::vector<Decision> fill(std::span<const Demand> held, Shelf& shelf, FillOrder order,
                           std::vector<bool>& blocked) {
    blocked.resize(shelf.chains.size());
    std::vector<Decision> decisions;
    decisions.reserve(held.size());
    for (const auto& cart : held) {
        const auto waits_behind = [&](const DemandLine& line) { return blocked[line.offer]; };
        const bool overtakes = order == FillOrder::oldest_first &&
                               std::any_of(cart.lines.begin(), cart.lines.end(), waits_behind);
        auto whole = cart;
        whole.policy = ShortagePolicy::hold;
        auto decision = overtakes ? Decision{Fate::held, {}, {}} : allocate(whole, shelf);
        if (decision.fate != Fate::reserved) {
            for (const auto& line : cart.lines) blocked[line.offer] = true;
        }
        decisions.push_back(std::move(decision));
    }
    return decisions;
}

}  // namespace cartwright::stock
