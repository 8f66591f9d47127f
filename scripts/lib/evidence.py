"""What a run left behind, as plain rows: what was published, what came back, and what the databases hold.

The checker judges these rows and nothing else, so that it can be tested with made-up ones. `read_databases`
fills in what the servers hold; what was published and what came back is in logs (journal, replies, sellers).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Iterable, NamedTuple


class Position(NamedTuple):
    seller_id: str
    sku: str
    warehouse: str
    on_hand: int
    reserved: int
    shortfall: int
    version: int


class LedgerRow(NamedTuple):
    """One change of a position; the deltas are those of Position's fields."""

    seller_id: str
    sku: str
    warehouse: str
    version: int
    kind: str
    on_hand: int
    reserved: int
    shortfall: int
    cause: str
    order_id: str | None


class Reservation(NamedTuple):
    seller_id: str
    order_id: str
    line_id: str
    warehouse: str
    sku: str
    reserved: int
    open: int
    dispatched: int
    released: int
    returned: int


class OrderRow(NamedTuple):
    order_id: str
    state: str
    answer: dict


class Held(NamedTuple):
    """An order that waits for an offer, and since when."""

    seller_id: str
    sku: str
    order_id: str
    held_at: object


class StoredMessage(NamedTuple):
    """A numbered message as the splitter stored it."""

    seller_id: str
    stream: str
    number: int
    order_id: str
    kind: str
    digest: str


class Switch(NamedTuple):
    """A stream goes elsewhere from a number on, as the router recorded it."""

    seller_id: str
    stream: str
    from_number: int
    previous: str
    destination: str
    decided_by: str
    may_double: list | None  # first and last number that an operator took on himself


class Arrival(NamedTuple):
    """A numbered message as the sellers' consumer, or a seller's endpoint, wrote it down."""

    queue: str  # or endpoint:<name>
    message_id: str
    seller_id: str
    stream: str
    number: int
    kind: str  # order, cancellation, voided
    order_id: str
    digest: str  # of the bytes
    part: int
    parts: int
    whole: bool
    lines: tuple  # of (line id, SKU, quantity, ((warehouse, quantity), …))
    at_s: float = 0.0  # when, on a clock that all who write share; 0: not known

    @staticmethod
    def from_list(fields: list) -> Arrival:
        """As JSON gives it back."""
        *plain, lines, at_s = fields
        return Arrival(*plain, tuple((line_id, sku, quantity, tuple(map(tuple, allocations)))
                                     for line_id, sku, quantity, allocations in lines), at_s)


class Call(NamedTuple):
    """A request that a seller's endpoint got, whatever became of it."""

    endpoint: str
    message_id: str
    status: int   # of the answer; 0: it was cut
    signed: bool  # does a signature fit?
    at_s: float   # when it was decided about, on the clock of Arrival.at_s
    seller_id: str
    stream: str
    number: int   # 0: the body is not a numbered message
    digest: str   # of the body
    arrival: Arrival | None  # of what was accepted

    @staticmethod
    def from_list(fields: list) -> Call:
        """As JSON gives it back."""
        *plain, arrival = fields
        return Call(*plain, Arrival.from_list(arrival) if arrival else None)


class Reply(NamedTuple):
    correlation_id: str
    type: str
    key: str  # order id, or event id of movements
    digest: str  # of the canonical data
    data: dict | None  # kept where it is short: rejections, parked, applied


class Parked(NamedTuple):
    """A message in parking: all of it."""

    body: bytes
    message_id: str | None
    type: str | None
    content_type: str | None
    reply_to: str | None
    correlation_id: str | None
    headers: dict
    content_encoding: str | None = None

    @property
    def reason(self) -> str:
        return str(self.headers.get("x-parked-reason", ""))


@dataclasses.dataclass(slots=True)
class Publication:
    """A message that was published, and what has to become of it."""

    correlation_id: str
    kind: str                # cart, movements, cancellation, fault
    key: str                 # order id of a cart or cancellation, event id of movements, else ""
    message_id: str | None
    type: str | None
    content_type: str
    reply_to: str | None
    body: bytes
    data: dict | None = None
    must_park: frozenset[str] = frozenset()  # reasons, one of which it has to be parked for
    may_park: frozenset[str] = frozenset()   # reasons for which it may be parked
    replayed: bool = False   # was parked, corrected and sent again: the message as it was, and as it became


@dataclasses.dataclass(slots=True)
class Expectation:
    """What may become of an order, beyond what holds for all of them."""

    states: frozenset[str] = frozenset()                # the final one; empty: any
    codes: frozenset[str] = frozenset({"short_stock"})  # a rejection may have these and no others
    reasons: frozenset[tuple[str, str]] | None = None   # exactly these (line id, code), when not None
    label: str = ""


@dataclasses.dataclass(slots=True)
class Race:
    """Carts of which exactly so many can be reserved."""

    order_ids: tuple[str, ...]
    winners: int
    label: str


@dataclasses.dataclass
class Evidence:
    """Everything about one run."""

    publications: list[Publication] = dataclasses.field(default_factory=list)
    expectations: dict[str, Expectation] = dataclasses.field(default_factory=dict)
    expected_of_others: Expectation = dataclasses.field(default_factory=Expectation)  # of orders without one
    races: list[Race] = dataclasses.field(default_factory=list)
    replies: list[Reply] = dataclasses.field(default_factory=list)
    arrivals: list[Arrival] = dataclasses.field(default_factory=list)  # place by place, each in its order
    calls: list[Call] = dataclasses.field(default_factory=list)  # endpoint by endpoint, each in its order
    owners: dict[str, str] = dataclasses.field(default_factory=dict)  # whose a place is that is one seller's
    # Destinations that a seller's messages may go to, "shared" alone for sellers not named; None: not asked.
    ruled: dict[str, frozenset[str]] | None = None
    parked: list[Parked] = dataclasses.field(default_factory=list)
    parked_counted: dict[str, int] | None = None     # by reason, as the workers count; None: not asked
    queues_left: dict[str, int] = dataclasses.field(default_factory=dict)  # by queue, but parking
    positions: list[Position] = dataclasses.field(default_factory=list)
    ledger: list[LedgerRow] = dataclasses.field(default_factory=list)
    reservations: list[Reservation] = dataclasses.field(default_factory=list)
    orders: list[OrderRow] = dataclasses.field(default_factory=list)
    held: list[Held] = dataclasses.field(default_factory=list)
    stored: list[StoredMessage] = dataclasses.field(default_factory=list)
    streams: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)    # last number given
    delivered: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)  # last number delivered
    offers: dict[tuple[str, str], bool] = dataclasses.field(default_factory=dict)    # can it be sold now?
    destinations: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)  # of streams, now
    switches: list[Switch] = dataclasses.field(default_factory=list)  # in the order in which they were decided
    voided: list[tuple] = dataclasses.field(default_factory=list)  # (seller, stream, number, original body)


def read_databases(evidence: Evidence, postgres_url: str, catalogue) -> None:
    """Fills in what PostgreSQL (an administrator's URL) and MariaDB (a pymysql connection) hold."""
    import psycopg2
    connection = psycopg2.connect(postgres_url)
    connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
    try:
        with connection.cursor() as cursor:
            read_postgres(evidence, cursor)
    finally:
        connection.close()
    with catalogue.cursor() as cursor:
        cursor.execute("SELECT offer.seller_id, sku, offer.status = 'active' AND seller.status = 'active' "
                       "FROM offer JOIN seller USING (seller_id)")
        evidence.offers = {(seller_id, sku): bool(sellable) for seller_id, sku, sellable in cursor.fetchall()}


def read_postgres(evidence: Evidence, cursor) -> None:
    """All tables that matter, from one snapshot."""

    def rows(sql: str) -> list[tuple]:
        cursor.execute(sql)
        return cursor.fetchall()

    evidence.positions = [Position(*row) for row in rows(
        "SELECT seller_id, sku, warehouse, on_hand, reserved, shortfall, version FROM stock_position")]
    evidence.ledger = [LedgerRow(*row) for row in rows(
        "SELECT seller_id, sku, warehouse, version, kind::text, on_hand_delta, reserved_delta, "
        "shortfall_delta, "
        "cause, order_id FROM stock_event")]
    evidence.reservations = [Reservation(*row) for row in rows(
        "SELECT seller_id, order_id, line_id, warehouse, sku, reserved, open, dispatched, released, returned "
        "FROM reservation")]
    evidence.orders = [OrderRow(order_id, state, json.loads(answer)) for order_id, state, answer in rows(
        "SELECT order_id, state::text, answer FROM orders")]
    evidence.held = [Held(*row) for row in rows("SELECT seller_id, sku, order_id, held_at FROM held_line")]
    evidence.stored = [StoredMessage(*row) for row in rows(
        "SELECT seller_id, stream, number, order_id, kind, encode(sha256(convert_to(body, 'UTF8')), 'hex') "
        "FROM seller_message")]
    evidence.streams = {(seller_id, stream): number for seller_id, stream, number in rows(
        "SELECT seller_id, stream, last_assigned FROM seller_stream")}
    evidence.delivered = {(seller_id, stream): number for seller_id, stream, number in rows(
        "SELECT seller_id, stream, last_delivered FROM seller_delivery")}
    evidence.destinations = {(seller_id, stream): destination for seller_id, stream, destination in rows(
        "SELECT seller_id, stream, destination FROM seller_delivery")}
    evidence.switches = [Switch(*row) for row in rows(
        "SELECT seller_id, stream, from_number, previous, destination, decided_by, may_double FROM seller_switch "
        "ORDER BY decided_at")]
    evidence.voided = rows("SELECT seller_id, stream, number, body FROM seller_void")


def add_calls(evidence: Evidence, calls: Iterable[Call]) -> None:
    """What endpoints got joins the evidence, and what they accepted the arrivals."""
    for call in calls:
        evidence.calls.append(call)
        if call.arrival is not None:
            evidence.arrivals.append(call.arrival)


def digest_of_data(data: object) -> str:
    """The same for the same JSON value, however it was written."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_of_cart(data: dict) -> str:
    """The same for carts that mean the same: defaults spelled out or not, lines in any order."""
    lines = sorted(({key: line.get(key) for key in ("line_id", "sku", "seller_id", "quantity",
                                                    "unit_price_minor")}
                    for line in data["lines"]), key=lambda line: json.dumps(line, sort_keys=True))
    meaning = {"order_id": data["order_id"], "channel": data["channel"], "currency": data["currency"],
               "paid": data.get("paid", False), "policy": data.get("policy", "all_or_nothing"),
               "placed_at": data.get("placed_at"), "lines": lines}
    return digest_of_data(meaning)
