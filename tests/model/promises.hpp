// The judge: looks at every commit, every arrival and everything that is said, and at the end at what is
// missing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/message/event.hpp"
#include "tests/model/database.hpp"

namespace cartwright::model {

class World;

class Promises {
  public:
    explicit Promises(World& world) : world_(world) {}

    /// Looks at the database from now on.
    void watch();
    /// After every commit.
    void after_commit();
    /// What is there now was announced before.
    void begin();
    void broken(std::string what);
    const std::optional<std::string>& first_broken() const { return broken_; }

    /// What clients have sent. `reply_to` is where an answer is expected.
    void sent(const Cart& cart, const std::string& reply_to);
    void sent(const std::string& event_id, const message::StockMoved& moved);
    void sent(const std::string& event_id, const message::OrderCancellation& cancellation);

    /// A numbered message has reached a seller's queue or endpoint.
    void arrived(const Stream& stream, Number number, const std::string& destination,
                 const std::string& body);
    /// A message for the splitter, or an announcement of positions.
    void told(std::string_view body);
    void answered(const std::string& reply_to, std::string_view body);
    void parked(const std::string& event_id, const std::string& reason, const std::string& detail);

    /// After the calm: nothing is under way any more.
    void at_end();

  private:
    struct Sums {
        Number on_hand = 0, reserved = 0, shortfall = 0, rows = 0, newest = 0, open = 0, announced = 0;
    };
    struct Arrivals {
        Number newest = 0;
        std::map<Number, std::pair<std::string, std::string>> places;  ///< destination, body
    };
    struct SentCart {
        Cart cart;
        std::string hash;
    };

    void order_changed(const OrderKey& order, const OrderRow* before, const OrderRow* after);
    void event_changed(const EventPlace& place, const EventRow* before, const EventRow* after);
    void delivery_changed(const Stream& stream, const DeliveryRow* before, const DeliveryRow* after);
    void message_changed(const MessagePlace& place, const MessageRow* before, const MessageRow* after);
    void check_position(const Position& position);
    void check_stream(const Stream& stream);
    void check_whole(const OrderKey& order);
    void check_lines(const OrderKey& order, const Cart& cart, const std::map<Text, Number>& reserved);
    void event_told(std::string_view event);

    void carts_at_end();
    void held_at_end();
    void movements_at_end();
    void movement_at_end(const std::string& event_id, const message::Movement& movement, std::size_t index);
    void cancellations_at_end();
    void split_at_end();
    void order_messages_at_end(const OrderKey& order, const OrderRow& row);
    void deliveries_at_end();
    void announcements_at_end();
    void parking_at_end();
    const SentCart* cart_of(const OrderKey& order, const OrderRow& row) const;
    std::map<Text, Number> kinds_of(const OrderKey& order, std::string_view kind) const;

    World& world_;
    std::optional<std::string> broken_;
    std::map<OrderKey, std::vector<SentCart>> carts_;
    std::map<std::string, message::StockMoved> movements_;
    std::map<std::string, message::OrderCancellation> cancellations_;
    std::map<std::string, std::set<std::string>> answers_;  ///< by reply_to
    std::map<OrderKey, std::map<std::string, std::string>>
        states_;                                      ///< answers of states that were committed
    std::map<std::string, std::string> events_told_;  ///< by id
    std::map<Position, Sums> sums_;
    std::map<Stream, Arrivals> arrivals_;
    std::map<Stream, Number> stored_messages_;
    std::map<std::string, std::string> parked_;  ///< event id, reason
    std::set<Position> touched_positions_;
    std::set<OrderKey> touched_orders_;
    std::set<Stream> touched_streams_;
};

}  // namespace cartwright::model
