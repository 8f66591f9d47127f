// Made-up values of every payload, for properties that hold for all of them. The same seed gives the same
// values.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "common/message/event.hpp"

namespace cartwright::testing {

enum class Values {
    any,        ///< all that can be encoded, sensible or not
    plausible,  ///< what the fleet means when it says it, and a sender should
};

class RandomPayloads {
  public:
    explicit RandomPayloads(std::uint64_t seed, Values values = Values::any)
        : engine_(seed), values_(values) {}

    /// Of every kind but SellerMessage, with the type of an event that it belongs to.
    std::pair<std::string_view, message::Payload> next();

    Cart cart();
    Order order();
    message::OrderCancelled cancelled();
    message::Envelope envelope(std::string_view type);

    std::size_t below(std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_);
    }
    bool chance() { return below(2) == 0; }
    bool plausible() const { return values_ == Values::plausible; }
    /// Any, or one or more.
    std::int64_t number();
    std::int64_t number(std::int64_t least, std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
    }
    /// Any text that can be stored, with all that needs escapes.
    std::string text();
    std::string id_text();
    Timestamp time();
    std::mt19937_64& engine() { return engine_; }

  private:
    template <class Identifier>
    Identifier id() {
        return Identifier(id_text());
    }
    PositionKey position() { return {id<SellerId>(), id<Sku>(), id<WarehouseId>()}; }
    message::Movement movement();
    message::StockChanged stock_changed();
    SellerPart part();

    std::mt19937_64 engine_;
    Values values_;
};

}  // namespace cartwright::testing
