// Rows that the reserver appends, in the order of the columns of their targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/order/cart.hpp"
#include "common/postgres/session.hpp"
#include "common/stock/movement.hpp"

namespace cartwright::reserver {

/// For `query::new_orders`. `hash` in hexadecimal digits. Who is not to be told later is asked for no reply.
struct NewOrder {
    std::string_view order_id;
    std::string_view state;
    std::string_view hash;
    std::string_view answer;
    std::string_view reply_to;
    std::string_view correlation_id;
};

/// For `query::new_reservations`: units promised to a line from one warehouse.
struct NewReservation {
    const PositionKey& position;
    std::string_view order_id;
    std::string_view line_id;
    std::int64_t units;
};

/// For `query::new_events`: a row of the ledger. An empty order id or reason is null.
struct LedgerRow {
    const PositionKey& position;
    std::int64_t version;
    std::string_view kind;
    stock::Deltas deltas;
    std::string_view cause;
    std::string_view order_id;
    std::string_view source;
    std::string_view reason;
    std::string_view occurred_at;  ///< RFC 3339
};

/// About what a row takes beside an answer, as room is made for it.
constexpr std::size_t row_bytes = 192;

void add(postgres::NewRows& rows, const NewOrder& row);
void add(postgres::NewRows& rows, const NewReservation& row);
void add(postgres::NewRows& rows, const LedgerRow& row);

}  // namespace cartwright::reserver
