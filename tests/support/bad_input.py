"""Input that is wrong or strange, sent among good carts into one batch, and what has to become of each.

    class StrangeTest(BadInputTest):
        def test_nothing_good_is_harmed(self):
            self.send_mixed({"not JSON": Case(cart_message(b"{"), PARKED, "malformed"),
                             "a priority": Case(cart_message(good, more={"priority": 9}), READY)})

The reserver is stopped while all of it is sent: then they wait together, and a lane takes them as one batch.
"""

from __future__ import annotations

import dataclasses

from environment import wait_for
from lib.evidence import Parked
from lib.messages import CLOUD_EVENT, Message, encode
from market import MarketTest, envelope

CART = "cartwright.cart.submitted.v1"
MOVED = "cartwright.stock.moved.v1"
CANCELLATION = "cartwright.order.cancellation.v1"
PARKED, REJECTED, READY, APPLIED = "parked", "rejected", "ready", "applied"
ROUTES = {CART: ("carts", "cart.submitted"), MOVED: ("movements", "stock.moved"),
          CANCELLATION: ("movements", "order.cancellation")}
# What the broker adds on the way, and what the fleet adds when it parks.
NOT_THE_SENDERS = ("x-parked-", "x-death", "x-first-death-", "x-delivery-count")


@dataclasses.dataclass
class Case:
    """A message and its outcome: PARKED with `code` as reason, REJECTED with that code, READY, APPLIED."""

    message: Message
    outcome: str
    code: str = ""


def raw(body: bytes, type_: str = CART, message_id: str | bytes | None = "raw", headers: dict | None = None,
        content_type: str = CLOUD_EVENT, **more) -> Message:
    """Any bytes, to where messages of this type go."""
    return Message(*ROUTES[type_], body, message_id, type_, content_type, headers=headers, more=more or None)


class BadInputTest(MarketTest):
    """Seller s1 has 10,000 of SKU A; `send_mixed` does the rest."""

    workers = {"reserver": 1}

    def setUp(self) -> None:
        super().setUp()
        self.sell("s1", "A", 10_000)
        self.before = self.position("s1", "A")
        self.reserver, = self.fleet.named("reserver")

    def event(self, data: dict, type_: str = CART, **more) -> bytes:
        return encode(envelope(type=type_, data=data, **more))

    def one_line(self, order_id: str, **more) -> dict:
        """The data of a good cart for one unit of A."""
        return self.cart_data(order_id, [("1", "A", 1)], **more)

    def receipt(self, **change) -> dict:
        """The data of a message with one good receipt of one unit, changed."""
        movement = {"kind": "receipt", "seller_id": "s1", "sku": "A", "warehouse": "main", "quantity": 1,
                    "occurred_at": envelope()["time"], **change}
        return {"movements": [movement]}

    def send_mixed(self, cases: dict[str, Case]) -> None:
        """Sends all with a good cart before, between and behind them; asserts the outcomes of all."""
        self.reserver.stop()
        sent, good = {}, [self.cart("good-0", [("1", "A", 1)])]
        for number, (what, case) in enumerate(cases.items(), 1):
            must_park = (case.code,) if case.outcome == PARKED else ()
            sent[what] = self.market.send(case.message, "fault", "", None, must_park=must_park)
            good.append(self.cart(f"good-{number}", [("1", "A", 1)]))
        self.market.flush()
        self.reserver.start()
        for what, case in cases.items():
            with self.subTest(what):
                self.assert_outcome(sent[what], case)
        for correlation_id in good:
            self.assertEqual("ready", self.outcome(correlation_id))
        self.assert_parked_whole({sent[what]: case for what, case in cases.items() if case.outcome == PARKED})
        self.assert_together(len(cases))
        units = len(good) + sum(case.outcome == READY for case in cases.values())
        added = sum(case.outcome == APPLIED for case in cases.values())
        on_hand, reserved, shortfall = self.before
        self.assertEqual((on_hand + added, reserved + units, shortfall), self.position("s1", "A"))
        self.assertEqual([], self.position_faults())

    def assert_outcome(self, correlation_id: str, case: Case) -> None:
        type_, data = self.market.answer(correlation_id)
        if case.outcome == PARKED:
            self.assertEqual(("message.parked", case.code), (type_, data.get("reason")), data)
            self.assertTrue(data["detail"])
        elif case.outcome == REJECTED:
            self.assertEqual("order.rejected", type_, data)
            self.assertIn(case.code, {reason["code"] for reason in data["reasons"]}, data)
        else:
            answered = data["results"][0]["status"] if type_ == "stock.applied" else type_.split(".")[1]
            self.assertEqual(case.outcome, answered, data)

    def assert_parked_whole(self, cases: dict[str, Case]) -> None:
        """By correlation id: exactly these lie in parking, as they were sent."""
        def arrived() -> dict[str, Parked]:
            found = {one.correlation_id: one for one in self.market.collect_parked()}
            return found if found.keys() >= cases.keys() else {}
        parked = wait_for(arrived, what="all that is parked") if cases else arrived()
        parked = {one.correlation_id: one for one in self.market.collect_parked()}
        self.assertEqual(cases.keys(), parked.keys())
        for correlation_id, case in cases.items():
            with self.subTest(parked=correlation_id):
                self.assert_whole(case.message, parked[correlation_id], case.code)

    def assert_whole(self, message: Message, parked: Parked, reason: str) -> None:
        self.assertEqual(reason, parked.reason)
        self.assertTrue(message.body == parked.body, "the body is another")
        for name in ("message_id", "type", "content_type", "reply_to"):
            if getattr(message, name) is not None:
                self.assertEqual(as_text(getattr(message, name)), as_text(getattr(parked, name)), name)
        self.assertEqual((message.more or {}).get("content_encoding"), parked.content_encoding)
        self.assertEqual(the_senders(message.headers or {}), the_senders(parked.headers))

    def assert_together(self, count: int) -> None:
        """They were handled in batches, not one by one: what was alone could not harm a neighbour."""
        metrics = self.reserver.metrics()
        batches = metrics.total("cartwright_batch_events_count", lane="carts")
        members = metrics.total("cartwright_batch_events_sum", lane="carts")
        if count >= 10:
            self.assertGreater(members, 3 * batches)

    def position_faults(self) -> list[tuple]:
        """Positions that are not the sum of their ledger, or promise more or less than their reservations."""
        return self.environment.rows(
            "SELECT p.* FROM stock_position p WHERE NOT (0 <= reserved AND reserved <= on_hand) OR "
            "reserved <> (SELECT coalesce(sum(open), 0) FROM reservation r WHERE "
            "(r.seller_id, r.sku, r.warehouse) = "
            "(p.seller_id, p.sku, p.warehouse)) OR on_hand <> (SELECT coalesce(sum(on_hand_delta), 0) FROM "
            "stock_event e WHERE (e.seller_id, e.sku, e.warehouse) = (p.seller_id, p.sku, p.warehouse))")


def the_senders(headers: dict) -> dict:
    """Without what others add; pika takes long numbers for unsigned."""
    return {name: int(value) % 2 ** 64 if isinstance(value, int) and not isinstance(value, bool) else value
            for name, value in headers.items() if not name.startswith(NOT_THE_SENDERS)}


def as_text(value: str | bytes) -> str:
    """pika gives short strings back as text where they are UTF-8, else as bytes."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
