// Held carts get what they wait for: a doorbell says that stock has risen, and bounded transactions give it
// out.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/catalogue/catalogue.hpp"
#include "common/codec/decode.hpp"
#include "common/postgres/session.hpp"
#include "common/stock/allocation.hpp"
#include "common/worker/handler.hpp"
#include "workers/reserver/config.hpp"
#include "workers/reserver/placing.hpp"
#include "workers/reserver/telling.hpp"

namespace cartwright::reserver {

/// Takes stock.fill. Repeats bounded transactions until nothing more can be filled. Orders keep the id of the
/// doorbell that filled them: a redelivered doorbell publishes those again. Never rings itself.
class FillHandler : public worker::Handler {
  public:
    FillHandler(std::unique_ptr<postgres::Session> session, catalogue::Catalogue& catalogue, Config config);
    worker::Result handle(std::span<const worker::Member> batch) override;

  private:
    /// Where the walk through the held carts of a doorbell stands, oldest first.
    struct Walk {
        std::string doorbell;
        std::vector<OfferKey> offers;
        std::string after_time = "-infinity";
        std::string after_order;
        std::set<OfferKey> blocked;  ///< what older carts keep for themselves
        bool ended = false;
        std::set<OfferKey> again;    ///< offers to walk for once more: somebody who kept them is gone
        std::set<OrderId> told;      ///< orders of this doorbell that are published
        std::set<OrderId> rejected;  ///< whose rows stay until the walk is over
    };
    struct Page {
        std::vector<OrderId> orders;
        std::string last_time, last_order;
    };
    struct Held {
        Placing placing;
        std::string reply_to, correlation_id;
    };

    static void begin_again(Walk& walk);
    void forget_cancelled(const std::string& doorbell);
    void publish_again(Walk& walk, Telling& telling);
    void forget_rejected(const Walk& walk);
    /// One transaction: a page of held carts.
    void fill_page(Walk& walk, Telling& telling);
    Page read_page(postgres::Transaction& transaction, const Walk& walk) const;
    std::vector<Held> lock_held(postgres::Transaction& transaction, const Page& page);
    std::vector<Rejection> unsellable_lines(const Order& order);
    static void write(postgres::Transaction& transaction, Walk& walk, const std::vector<Held>& held,
                      const std::vector<OrderState>& decided, Telling& telling);

    std::unique_ptr<postgres::Session> session_;
    catalogue::Catalogue& catalogue_;
    Config config_;
    codec::Decoder decoder_;
};

}  // namespace cartwright::reserver
