"""Whether a run kept the promises: what the databases say, and what the sellers got."""

from __future__ import annotations

import collections
import contextlib
from pathlib import Path

from .rig import Rig

_LEDGER = ("select seller_id, sku, warehouse, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved, "
           "max(version) as version, count(*) as events from stock_event group by 1, 2, 3")
_CHECKS = {
    "P1: positions with more reserved than on hand":
        "select count(*) from stock_position where reserved > on_hand or reserved < 0",
    "P1: positions whose reserved is not the sum of their open reservations":
        "select count(*) from stock_position p left join (select seller_id, sku, warehouse, sum(open) as open from "
        "reservation group by 1, 2, 3) r using (seller_id, sku, warehouse) where p.reserved <> coalesce(r.open, 0)",
    "P3: positions that are not the fold of their ledger":
        f"select count(*) from stock_position p left join ({_LEDGER}) e using (seller_id, sku, warehouse) "
        "where (p.on_hand, p.reserved, p.version, p.version) is distinct from "
        "(coalesce(e.on_hand, 0), coalesce(e.reserved, 0), coalesce(e.version, 0), coalesce(e.events, 0))",
    "P5: streams with a gap":
        "select count(*) from seller_stream s left join (select seller_id, stream, count(*) as messages, max(number) as last "
        "from seller_message group by 1, 2) m using (seller_id, stream) "
        "where (s.last_assigned, s.last_assigned) is distinct from (m.messages, m.last)",
    "P5: streams not delivered to their end":
        "select count(*) from seller_stream s left join seller_delivery d using (seller_id, stream) "
        "where s.last_assigned is distinct from d.last_delivered",
}


def databases(rig: Rig) -> list[str]:
    """A sentence for each promise that the databases show broken."""
    return [f"{what}: {found}" for what, sql in _CHECKS.items() if (found := rig.rows(sql)[0][0])]


def orders(rig: Rig, run: int, carts: int, lines: int) -> list[str]:
    """Every cart of a run was decided, and every line of those that can be served is reserved."""
    of_run = f"where right(order_id, 12) = '{run:012x}'"
    decided, reserved = rig.rows(f"select (select count(*) from orders {of_run}), "
                                 f"(select count(*) from reservation {of_run})")[0]
    bad = [] if decided == carts else [f"P7: {carts} carts, {decided} decided"]
    return bad if reserved == lines else [*bad, f"P4: {lines} lines of carts that can be served, {reserved} reserved"]


def messages(rig: Rig, run: int, record: Path, elsewhere: int = 0) -> list[str]:
    """The sellers got what is stored of a run, byte for byte, each message once and each stream in sequence."""
    with contextlib.closing(_connection(rig)) as connection, connection.cursor("stored") as cursor:
        cursor.execute("select seller_id || '/' || stream || '/' || number, encode(sha256(convert_to(body, 'UTF8')), 'hex') "
                       "from seller_message where seller_id >= %s and right(order_id, 12) = %s",
                       (f"seller-{elsewhere:05d}", f"{run:012x}"))
        stored = set(cursor)
    return compare(record.read_text().splitlines(), stored)


def compare(arrived: list[str], stored: set[tuple[str, str]]) -> list[str]:
    """`arrived` as the load writes it down, "<message id> <digest>" in order; `stored` in pairs. Five complaints at most."""
    counted, last, bad = collections.Counter(), {}, []
    for line in arrived:
        message_id, digest = line.rsplit(" ", 1)
        counted[message_id, digest] += 1
        stream, number = message_id.rsplit("/", 1)
        if counted[message_id, digest] == 1:
            if int(number) != last.get(stream, 0) + 1:
                bad.append(f"P5: {message_id} came after number {last.get(stream, 0)}")
            last[stream] = int(number)
    if lost := stored - counted.keys():
        bad.append(f"P7: {len(lost)} stored messages did not arrive, like {min(lost)[0]}")
    if strange := counted.keys() - stored:
        bad.append(f"P2: {len(strange)} messages arrived that are not stored, like {min(strange)[0]}")
    if twice := sum(count - 1 for count in counted.values()):
        bad.append(f"P2: {twice} messages arrived more than once")
    return bad[:5]


def _connection(rig: Rig):
    import psycopg2
    return psycopg2.connect(rig.servers.postgres.admin_url)
