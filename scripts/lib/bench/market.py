"""The market that tests/load makes carts for: catalogue and shelves, filled in seconds whatever their size."""

from __future__ import annotations

import dataclasses
import math

UNITS_A_SKU = 1_000_000


def seller_id(number: int) -> str:
    """As in tests/load/market.cpp."""
    return f"seller-{number:05d}"


@dataclasses.dataclass(frozen=True)
class Market:
    """SKU n is sold by seller n % sellers. The most wanted `sold_out` SKUs have no units."""

    skus: int = 30_000
    sellers: int = 3_000
    sold_out: int = 0
    hot: bool = False
    four_sellers: float = 0.0
    elsewhere: int = 0  # sellers that are not on shared queues

    def arguments(self) -> list[str]:
        """For the load."""
        return ["--skus", str(self.skus), "--sellers", str(self.sellers), "--sold-out", str(self.sold_out),
                "--four-sellers", str(self.four_sellers), "--elsewhere", str(self.elsewhere),
                *(["--hot"] if self.hot else [])]

    def write_catalogue(self, connection) -> None:
        """Sellers and offers, through a pymysql connection with autocommit."""
        with connection.cursor() as cursor:
            for table in ("offer", "warehouse", "seller"):
                cursor.execute(f"TRUNCATE TABLE {table}")
            cursor.execute("INSERT INTO seller (seller_id, region) SELECT concat('seller-', lpad(seq, 5, '0')), 'SP' "
                           f"FROM seq_0_to_{self.sellers - 1}")
            cursor.execute("INSERT INTO warehouse (seller_id, warehouse, priority) "
                           "SELECT seller_id, 'main', 1 FROM seller")
            cursor.execute(
                "INSERT INTO offer (seller_id, sku, price_minor, currency, category) "
                f"SELECT concat('seller-', lpad(seq % {self.sellers}, 5, '0')), concat('SKU-', lpad(seq, 7, '0')), "
                f"100 + seq % 9900, 'BRL', 'books' FROM seq_0_to_{self.skus - 1}")

    def fill_shelves(self, cursor, history_rows: int = 0) -> None:
        """Positions and their ledger, as receipts leave them; empties everything else. With `history_rows` each
        position has its share of so many older ledger rows."""
        cursor.execute("TRUNCATE orders, reservation, held_line, inbox, seller_stream, seller_message, "
                       "seller_delivery, seller_switch, seller_void, attempt, rules_version")
        older = history_rows // self.skus
        if not self._only_newer_rows_go(cursor, older):
            cursor.execute("TRUNCATE stock_position, stock_event")
            self._write_ledger(cursor, older)
        cursor.execute(
            "INSERT INTO stock_position (seller_id, sku, warehouse, on_hand, version) "
            "SELECT seller_id, sku, warehouse, sum(on_hand_delta) FILTER (WHERE version = 1), max(version) "
            "FROM stock_event WHERE version IN (1, %s) GROUP BY 1, 2, 3 "
            "ON CONFLICT DO NOTHING", (older + 1,))
        for table in ("stock_position", "stock_event", "orders", "inbox", "reservation", "seller_stream",
                      "seller_message", "seller_delivery"):
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("CHECKPOINT")

    def _only_newer_rows_go(self, cursor, older: int) -> bool:
        """Takes back what a run added to a long ledger, which is dear to write again."""
        cursor.execute("SELECT count(*), coalesce(max(version), 0) FROM stock_event WHERE seller_id = 'seller-00000' "
                       "AND sku = 'SKU-0000000' AND version <= %s", (older + 1,))
        if older == 0 or cursor.fetchone() != (older + 1, older + 1):
            return False
        cursor.execute("DELETE FROM stock_event WHERE version > %s", (older + 1,))
        cursor.execute("TRUNCATE stock_position")
        return True

    def _write_ledger(self, cursor, older: int) -> None:
        """A receipt each, and older adjustments that cancel each other out but for the last of an odd number."""
        cursor.execute(
            "INSERT INTO stock_event (seller_id, sku, warehouse, version, kind, on_hand_delta, reserved_delta, "
            "shortfall_delta, cause, source, occurred_at) "
            "SELECT 'seller-' || lpad((n %% %(sellers)s)::text, 5, '0'), 'SKU-' || lpad(n::text, 7, '0'), 'main', "
            "version, (CASE WHEN version = 1 THEN 'receipt' ELSE 'adjustment' END)::stock_event_kind, "
            "CASE WHEN version = 1 THEN %(units)s WHEN version = %(last)s AND version %% 2 = 0 THEN 0 "
            "WHEN version %% 2 = 0 THEN 1 ELSE -1 END, 0, 0, 'load/' || n || '/' || version, "
            "'urn:cartwright:load', now() "
            "FROM generate_series(0, %(skus)s - 1) n, generate_series(1, %(last)s) version "
            "WHERE NOT n = ANY(%(empty)s)",
            {"sellers": self.sellers, "units": UNITS_A_SKU, "skus": self.skus, "last": older + 1,
             "empty": self._sold_out_skus()})

    def _sold_out_skus(self) -> list[int]:
        """The most wanted: rank r is SKU r * step, as in tests/load/market.cpp."""
        step = 7919
        while math.gcd(step, self.skus) != 1:
            step += 1
        return [rank * step % self.skus for rank in range(self.sold_out)]
