// What the reserver says: to the next workers, to whoever asked, and to outsiders where that is switched on.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/amqp/message.hpp"
#include "common/message/event.hpp"
#include "common/worker/handler.hpp"
#include "common/worker/packing.hpp"
#include "workers/reserver/config.hpp"

namespace cartwright::reserver {

/// An order's state as it is stored, with the answer of that state: the `data` of its event.
struct OrderState {
    OrderId order_id;
    std::string state;  ///< ready, reserved, pending, rejected or cancelled
    std::string answer;
};

/// What the id of a doorbell of `Telling::let_go` begins with.
inline const std::string let_go_prefix = "cancelled/";

/// Collects one batch's messages; made anew for each run of its transaction.
class Telling {
  public:
    explicit Telling(const Config& config) : config_(&config) {}

    /// Announces an order's state: ready and cancelled to the splitter. `suffix` sets one of several
    /// cancellations of an order apart.
    void order(const OrderState& order, const std::string& traceparent, const std::string& suffix = {});
    /// Tells whoever asked. The answer to a repeat is the same event again.
    void answer(const worker::Member& asked, const OrderState& order, const std::string& suffix = {});
    void answer(const std::string& reply_to, const std::string& correlation_id, const OrderState& order);
    void answer(const worker::Member& asked, const message::StockApplied& applied);
    /// A position's newest version; a later call for the same position replaces an earlier one.
    void position(const message::StockChanged& changed);
    void shortfall(const message::StockShortfall& shortfall);
    /// A held order was cancelled: rings for what it kept from younger ones. The doorbell's id names the
    /// order.
    void let_go(const OrderId& order_id, const std::set<OfferKey>& offers);
    /// Rings for held carts that may be filled now.
    void fill(const std::vector<OfferKey>& offers);

    /// Adds everything that another one collected.
    void absorb(Telling&& other);

    std::vector<amqp::Outgoing> take();

  private:
    void publicly(const worker::EncodedEvent& event, std::string_view routing_key);

    const Config* config_;
    std::vector<worker::EncodedEvent> ready_, cancelled_;
    std::vector<message::StockChanged> positions_;
    std::vector<amqp::Outgoing> other_;
};

}  // namespace cartwright::reserver
