// Carts in, reserved orders out: a whole cart over all its sellers in one transaction.
#pragma once

#include <memory>

#include "common/catalogue/catalogue.hpp"
#include "common/codec/decode.hpp"
#include "common/postgres/append_first.hpp"
#include "common/postgres/session.hpp"
#include "common/worker/handler.hpp"
#include "workers/reserver/config.hpp"
#include "workers/reserver/known_positions.hpp"

namespace cartwright::reserver {

/// Takes cart.submitted; each cart is reserved, held or rejected as its policy says, once, and every repeat
/// gets the answer that is stored with it. The same order id with other content is parked (`id_conflict`).
class CartHandler : public worker::Handler {
  public:
    CartHandler(std::unique_ptr<postgres::Session> session, catalogue::Catalogue& catalogue, Config config);
    worker::Result handle(std::span<const worker::Member> batch) override;

  private:
    std::unique_ptr<postgres::Session> session_;
    catalogue::Catalogue& catalogue_;
    Config config_;
    codec::Decoder decoder_;
    KnownPositions known_;
    postgres::AppendFirst append_first_;
};

}  // namespace cartwright::reserver
