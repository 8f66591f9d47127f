"""Whether a run kept the promises: what the databases say, and what the sellers got."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterable

from .market import seller_id
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
        "select count(*) from stock_position p left join (" + _LEDGER + ") e using (seller_id, sku, warehouse) "
        "where (p.on_hand, p.reserved, p.version, p.version) is distinct from "
        "(coalesce(e.on_hand, 0), coalesce(e.reserved, 0), coalesce(e.version, 0), coalesce(e.events, 0))",
    "P5: streams with a gap":
        "select count(*) from seller_stream s left join (select seller_id, stream, count(*) as messages, "
        "max(number) as last from seller_message group by 1, 2) m using (seller_id, stream) "
        "where (s.last_assigned, s.last_assigned) is distinct from (m.messages, m.last)",
    "P5: streams not delivered to their end":
        "select count(*) from seller_stream s left join seller_delivery d using (seller_id, stream) "
        "where s.last_assigned is distinct from d.last_delivered and s.seller_id >= '{first_seller}'",
}


def run(rig: Rig, sent: dict, record: Path, elsewhere: int = 0, cancelled: int = 0) -> list[str]:
    """What is wrong with the carts that a load sent since the shelves were filled; the rig remembers it."""
    bad = _orders(rig, sent, cancelled) + _databases(rig, elsewhere) + _messages(rig, record, elsewhere)
    bad += [f"P7: {depth} messages are left in {queue}" for queue, depth in rig.left_over().items()
            if not elsewhere or queue == "parking"]
    rig.violations += bad
    return bad


def _databases(rig: Rig, elsewhere: int) -> list[str]:
    """A sentence for each promise that the databases show broken."""
    return [f"{what}: {found}" for what, sql in _CHECKS.items()
            if (found := rig.rows(sql.replace("{first_seller}", seller_id(elsewhere)))[0][0])]


def _orders(rig: Rig, sent: dict, cancelled: int) -> list[str]:
    """Every cart was decided, every unit of those that can be served is reserved, every cancellation has been heard."""
    decided, lines, units, let_go = rig.rows(
        "select (select count(*) from orders), (select count(*) from reservation), "
        "(select coalesce(sum(reserved), 0)::bigint from reservation), "
        "(select count(*) from orders where state = 'cancelled')")[0]
    seen = {"carts": (sent["carts"], decided), "lines": (sent["lines"], lines), "units": (sent["units"], units),
            "cancellations": (cancelled, let_go)}
    return [f"P4, P7: {expected} {what} were sent that must be there, {found} are"
            for what, (expected, found) in seen.items() if expected != found]


def _messages(rig: Rig, record: Path, elsewhere: int) -> list[str]:
    """The sellers got what is stored, byte for byte, each message once and each stream in sequence."""
    with contextlib.closing(_connection(rig)) as connection, connection.cursor("stored") as cursor:
        cursor.execute("select seller_id || '/' || stream || '/' || number, "
                       "encode(sha256(convert_to(body, 'UTF8')), 'hex') "
                       "from seller_message where seller_id >= %s", (seller_id(elsewhere),))
        stored = {message_id: bytes.fromhex(digest) for message_id, digest in cursor}
    with open(record, encoding="utf-8") as lines:
        return compare(lines, stored)


def compare(arrived: Iterable[str], stored: dict[str, bytes | None]) -> list[str]:
    """`arrived` as the load writes it down, "<message id> <digest>" in order; `stored` are digests by message id, and
    emptied meanwhile: there may be millions. Five complaints at most."""
    last: dict[str, int] = {}
    strange, twice, out_of_sequence = [], [], []
    for line in arrived:
        message_id, digest = line.rsplit(" ", 1)
        expected = stored.get(message_id, b"")
        if expected is None:
            twice.append(message_id)
            continue
        if expected != bytes.fromhex(digest):
            strange.append(message_id)
            continue
        stored[message_id] = None
        stream, number = message_id.rsplit("/", 1)
        if int(number) != last.get(stream, 0) + 1:
            out_of_sequence.append(f"P5: {message_id} came after number {last.get(stream, 0)}")
        last[stream] = int(number)
    bad = out_of_sequence[:2]
    if lost := [message_id for message_id, digest in stored.items() if digest is not None]:
        bad.append(f"P7: {len(lost)} stored messages did not arrive, like {min(lost)}")
    if strange:
        bad.append(f"P2: {len(strange)} messages arrived that are not stored, like {strange[0]}")
    if twice:
        bad.append(f"P2: {len(twice)} messages arrived more than once, like {twice[0]}")
    return bad


def _connection(rig: Rig):
    import psycopg2
    return psycopg2.connect(rig.servers.postgres.admin_url)
