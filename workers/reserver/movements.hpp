// Stock moves: receipts, counts, adjustments, dispatches, releases, returns, and cancellations of orders.
#pragma once

#include <memory>

#include "common/catalogue/catalogue.hpp"
#include "common/codec/decode.hpp"
#include "common/postgres/session.hpp"
#include "common/worker/handler.hpp"
#include "workers/reserver/config.hpp"

namespace cartwright::reserver {

/// Takes stock.moved and order.cancellation. Each movement acts once, by (event id, index). Facts (receipt,
/// count, dispatch, return) are never refused for stock; requests (release, adjustment) may be. A message of
/// which a movement was refused is parked (`movement_rejected`) with the others applied, so that a corrected
/// replay does only the rest.
class MovementHandler : public worker::Handler {
  public:
    MovementHandler(std::unique_ptr<postgres::Session> session, catalogue::Catalogue& catalogue,
                    Config config);
    worker::Result handle(std::span<const worker::Member> batch) override;

  private:
    std::unique_ptr<postgres::Session> session_;
    catalogue::Catalogue& catalogue_;
    Config config_;
    codec::Decoder decoder_;
};

}  // namespace cartwright::reserver
