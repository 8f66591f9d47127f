// Who gets which units: carts in order of arrival, positions with what is available, decisions out. Pure; the
// caller holds the locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/order/cart.hpp"

namespace cartwright::stock {

/// Positions and offers by index. An offer's chain names the positions where it lies, first choice first.
struct Shelf {
    struct Position {
        std::size_t warehouse = 0;  ///< the same number for the same warehouse of the same seller
        std::int64_t available = 0;
    };
    std::vector<Position> positions;
    std::vector<std::vector<std::size_t>> chains;  ///< per offer, indices into `positions`
};

struct DemandLine {
    std::size_t seller =
        0;  ///< any number; lines of one seller are placed together where one warehouse has them all
    std::size_t offer = 0;  ///< index into Shelf::chains
    std::int64_t quantity = 0;
};

struct Demand {
    ShortagePolicy policy = ShortagePolicy::all_or_nothing;
    std::vector<DemandLine> lines;
};

/// Units of a line from a position.
struct Take {
    std::size_t line = 0;
    std::size_t position = 0;
    std::int64_t quantity = 0;
    bool operator==(const Take&) const = default;
};

enum class Fate {
    reserved,  ///< everything, or with `partial` at least one unit
    held,
    rejected,
};

struct Decision {
    Fate fate = Fate::reserved;
    std::vector<Take> takes;               ///< in order of line; empty unless reserved
    std::vector<std::size_t> short_lines;  ///< lines of which fewer units are there than asked for
    bool operator==(const Decision&) const = default;
};

/// Decides cart by cart, in the given order, and takes what it decides from `shelf`. All lines of a seller
/// come from one warehouse where one has them all (the first in the chain of the seller's first line);
/// otherwise each line walks its chain and takes what is there. Never takes more than is available; a line is
/// short only when its whole chain has less than it asks for.
std::vector<Decision> allocate(std::span<const Demand> carts, Shelf& shelf);

/// The same for one cart.
Decision allocate(const Demand& cart, Shelf& shelf);

/// Which held carts a rise of stock fills.
enum class FillOrder {
    oldest_first,    ///< an older cart that can't be filled keeps younger ones from the units it waits for
    fillable_first,  ///< whoever can be filled now, oldest first
};

/// Decides held carts, oldest first. Each gets everything (Fate::reserved) or stays held; `blocked` (per
/// offer, carried from page to page) marks what older carts wait for under `oldest_first`.
std::vector<Decision> fill(std::span<const Demand> held, Shelf& shelf, FillOrder order,
                           std::vector<bool>& blocked);

}  // namespace cartwright::stock
