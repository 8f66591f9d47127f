#include "workers/reserver/rows.hpp"

#include <fmt/compile.h>

namespace cartwright::reserver {
namespace {

void add_text(postgres::NewRows& rows, std::string_view text) {
    text.empty() ? rows.add_null() : rows.add(text);
}

}  // namespace

void add(postgres::NewRows& rows, const NewOrder& row) {
    rows.add(row.order_id).add(row.state).add(fmt::format(FMT_COMPILE("\\x{}"), row.hash)).add(row.answer);
    if (row.reply_to.empty()) {
        rows.add_null().add_null();
    } else {
        rows.add(row.reply_to).add(row.correlation_id);
    }
    rows.end_row();
}

void add(postgres::NewRows& rows, const NewReservation& row) {
    rows.add(row.position.seller_id.str()).add(row.order_id).add(row.line_id);
    rows.add(row.position.warehouse.str()).add(row.position.sku.str());
    rows.add(row.units).add(row.units).end_row();
}

void add(postgres::NewRows& rows, const LedgerRow& row) {
    rows.add(row.position.seller_id.str()).add(row.position.sku.str()).add(row.position.warehouse.str());
    rows.add(row.version).add(row.kind);
    rows.add(row.deltas.on_hand).add(row.deltas.reserved).add(row.deltas.shortfall);
    rows.add(row.cause);
    add_text(rows, row.order_id);
    rows.add(row.source);
    add_text(rows, row.reason);
    rows.add(row.occurred_at).end_row();
}

}  // namespace cartwright::reserver
