"""What is wrong or strange on the ways between workers: parked or ignored, and harms nothing else."""

import dataclasses
import unittest

from bad_input import CART
from environment import wait_for
from lib.messages import Message, encode
from market import REPLIES, MarketTest, envelope

READY, CANCELLED = "cartwright.order.ready.v1", "cartwright.order.cancelled.v1"
SELLER_ORDER, FILL = "cartwright.seller.order.v1", "cartwright.stock.fill.v1"
CATALOGUE = "cartwright.catalogue.changed.v1"
GARBAGE = {"nothing": b"", "not JSON": b"{", "binary": bytes(range(256)) * 10, "a number": b"7",
           "an empty batch": b"[]",
           "null": b"null", "nested": b"[" * 100_000, "an empty object": b"{}", "a list in a list": b"[[]]"}
WAYS = {"splitter": ("orders", "order.ready"), "router": ("seller-messages", "seller.message"),
        "reserver": ("stock", "stock.fill")}


def event(type_: str, data, **more) -> bytes:
    return encode(envelope(type=type_, **{"data": data, **more}))


def order(order_id_: str, **more) -> dict:
    """The data of order.ready as the reserver says it."""
    line = {"line_id": "1", "sku": "A", "category": "things", "quantity": 1, "unit_price_minor": 100,
            "allocations": [{"warehouse": "main", "quantity": 1}]}
    return {"order_id": order_id_, "channel": "web", "currency": "BRL", "paid": True,
            "policy": "all_or_nothing",
            "placed_at": envelope()["time"], "total_minor": 100,
            "sellers": [{"seller_id": "s1", "region": "north", "tags": [], "lines": [line]}], **more}


def numbered(number_, **more) -> dict:
    """The extension attributes of a seller's message."""
    return {"id": f"s1/main/{number_}", "sellerid": "s1", "stream": "main", "number": number_, **more}


class InnerInputTest(MarketTest):
    def setUp(self):
        super().setUp()
        self.sell("s1", "A", 1000)
        self.sell("s2", "B", 1000)
        self.good = 0

    def send_good(self) -> None:
        self.good += 1
        self.cart(f"good-{self.good}", [("1", "A", 1), ("2", "B", 1)])

    def send_bad(self, worker: str, bodies: dict[str, bytes], reason: str,
                 type_: str | None = None) -> dict[str, str]:
        """Sends them among good carts; correlation ids by what it is."""
        sent = {}
        for what, body in bodies.items():
            self.send_good()
            message = Message(*WAYS[worker], body, f"bad {what}", type_)
            message.reply_to, message.correlation_id = REPLIES, f"{worker} {reason} {what}"
            self.market.send(message, "fault", "", None, answered=False, must_park=(reason,))
            # No answer is to be expected, although one is asked for.
            self.market.evidence.publications[-1] = dataclasses.replace(self.market.evidence.publications[-1], reply_to=None)
            sent[what] = message.correlation_id
        self.send_good()
        return sent

    def assert_parked(self, sent: dict[str, str], reason: str, worker: str) -> None:
        parked = {}

        def all_parked() -> bool:
            parked.update({one.correlation_id: one for one in self.market.collect_parked()})
            return parked.keys() >= set(sent.values())
        wait_for(all_parked, what=f"{len(sent)} messages to be parked")
        for what, correlation_id in sent.items():
            with self.subTest(what):
                one = parked[correlation_id]
                self.assertEqual((reason, worker, f"bad {what}"),
                                 (one.reason, one.headers["x-parked-worker"], one.message_id))
        # Nobody outside sends anything here: who asks for an answer gets none.
        self.market.collect_answers()
        self.assertFalse(set(sent.values()) & {one for one, answers in self.market.answers.items() if answers})

    def assert_good_ones_arrived(self) -> None:
        expected = {f"good-{number}" for number in range(1, self.good + 1)}

        def all_there() -> bool:
            there = [one.order_id for one in self.market.collect_arrivals()]
            return all(there.count(order_id) == 2 for order_id in expected)
        wait_for(all_there, what="both parts of every good cart")
        for seller_id in ("s1", "s2"):
            numbers = [one.number for one in self.market.evidence.arrivals if one.seller_id == seller_id]
            self.assertEqual(list(range(1, len(numbers) + 1)), numbers)

    def assert_workers_lived(self) -> None:
        self.assertEqual(3, len(self.fleet.running()))

    def test_garbage_on_every_way_is_parked(self):
        for worker in WAYS:
            sent = self.send_bad(worker, GARBAGE, "malformed")
            self.assert_parked(sent, "malformed", worker)
        self.assert_good_ones_arrived()
        self.assert_workers_lived()
        self.assert_promises()

    def test_what_belongs_elsewhere_is_parked(self):
        cart = event(CART, self.cart_data("elsewhere", [("1", "A", 1)]))
        for worker in WAYS:
            sent = self.send_bad(worker, {"a cart": cart, "unknown": event("com.example.x", {})},
                                 "unknown_type")
            self.assert_parked(sent, "unknown_type", worker)
            of_another_version = event({"splitter": READY, "router": SELLER_ORDER,
                                        "reserver": FILL}[worker].replace("v1", "v2"), {})
            self.assert_parked(self.send_bad(worker, {"version": of_another_version}, "unsupported_version"),
                               "unsupported_version", worker)
        self.assertIsNone(self.state("elsewhere"))
        self.assert_good_ones_arrived()
        self.assert_promises()

    def test_wrong_orders_are_parked_by_the_splitter(self):
        line = order("x")["sellers"][0]["lines"][0]
        seller = order("x")["sellers"][0]
        wrong = [{"order_id": ""}, {"order_id": "a\0"}, {"sellers": "s1"},
                 {"sellers": [{**seller, "seller_id": ""}]},
                 {"sellers": [{**seller, "lines": [{**line, "quantity": 2 ** 63}]}]}, {"currency": "x"},
                 {"sellers": [{**seller, "lines": [{**line, "unit_price_minor": 2 ** 62,
                                                    "quantity": 1000}]}]},
                 {"sellers": [{**seller, "region": "\0"}]}, {"placed_at": "0000-00-00"}, {"policy": "x"}]
        bodies = {str(change)[:60]: event(READY, order("x", **change)) for change in wrong}
        bodies |= {f"cancelled {number}": event(CANCELLED, {"order_id": "x", "reason": "r", "whole": True,
                                                            "sellers": [], **change})
                   for number, change in enumerate([{"whole": 1}, {"reason": None}, {"sellers": [{}]}])}
        self.assert_parked(self.send_bad("splitter", bodies, "malformed"), "malformed", "splitter")
        self.assert_good_ones_arrived()
        self.assert_promises()

    def send_inner(self, worker: str, body: bytes, message_id: str) -> None:
        self.market.send(Message(*WAYS[worker], body, message_id, None), "fault", "", None, answered=False)

    def test_strange_orders_do_not_stop_the_splitter(self):
        """An order of nobody, and cancellations of such: nothing to number, and a repeat finds that too."""
        nobody = event(READY, order("nobody", sellers=[]), id="nobody/ready")
        twice = order("twice")["sellers"] * 2
        strange = [nobody, event(READY, order("twice", sellers=twice), id="twice/ready"),
                   event(CANCELLED, {"order_id": "nobody", "reason": "r", "whole": True, "sellers": []},
                         id="nobody/cancelled"),
                   event(CANCELLED, {"order_id": "twice", "reason": "r", "whole": False, "sellers": []},
                         id="twice/cancelled/1"),
                   event(CANCELLED, {"order_id": "empty", "reason": "r", "whole": True, "sellers": []},
                         id="empty/cancelled")]
        for turn in range(3):
            for number, body in enumerate(strange):
                self.send_inner("splitter", body, f"strange-{number}")
                self.send_inner("splitter", b"[" + body + b"," + body + b"]", f"strange-batch-{number}")
            self.send_good()
            self.assert_good_ones_arrived()
        self.assert_workers_lived()
        self.assertEqual([], self.market.collect_parked())
        wait_for(lambda: not self.market.left_inside(), what="the fleet's queues to be empty")

    def test_wrong_seller_messages_are_parked_by_the_router(self):
        data = {"order_id": "x"}
        wrong = {"no number": {"number": None}, "number 0": {"number": 0}, "negative": {"number": -1},
                 "2^63": {"number": 2 ** 63},
                 "a fraction": {"number": 1.5}, "text": {"number": "1"}, "no seller": {"sellerid": ""},
                 "no stream": {"stream": None},
                 "a null character": {"stream": "a\0b"}}
        bodies = {what: event(SELLER_ORDER, data, **numbered(1, **change)) for what, change in wrong.items()}
        self.assert_parked(self.send_bad("router", bodies, "malformed"), "malformed", "router")
        self.assert_good_ones_arrived()
        self.assert_promises()

    def test_numbers_that_nobody_gave_deliver_nothing(self):
        """A doorbell for a number that is not in the database waits on the ladder; its stream goes on."""
        self.send_good()
        self.assert_good_ones_arrived()
        for number in (1000, 10 ** 15, 2 ** 63 - 1):
            self.send_inner("router", event(SELLER_ORDER, {"order_id": "x"}, **numbered(number)),
                            f"s1/main/{number}")
        self.send_inner("router", event(SELLER_ORDER, {"order_id": "x"}, **numbered(7, sellerid="nobody")),
                        "nobody/main/7")
        router, = self.fleet.named("router")
        wait_for(lambda: router.metrics().total("cartwright_events_total", verdict="later") >= 2,
                 what="the ladder")
        for _ in range(5):
            self.send_good()
        self.assert_good_ones_arrived()
        self.assert_workers_lived()
        self.assertNotIn("x", {one.order_id for one in self.market.evidence.arrivals})

    def test_old_numbers_are_repeats(self):
        """Whatever they hold: the seller had this number, and the database knows what it was."""
        self.send_good()
        self.assert_good_ones_arrived()
        self.send_inner("router", event(SELLER_ORDER, {"order_id": "forged"}, **numbered(1)), "s1/main/1")
        self.send_good()
        self.assert_good_ones_arrived()
        self.assertEqual([], self.market.collect_parked())
        self.assert_promises()

    def test_wrong_and_strange_doorbells(self):
        wrong = {"no list": {"positions": 7}, "no seller": {"positions": [{"sku": "A"}]},
                 "empty": {"positions": [{"seller_id": "", "sku": ""}]},
                 "a null character": {"positions": [{"seller_id": "a\0", "sku": "A"}]}, "missing": {}}
        bodies = {what: event(FILL, data) for what, data in wrong.items()}
        self.assert_parked(self.send_bad("reserver", bodies, "malformed"), "malformed", "reserver")
        held = self.cart("held", [("1", "A", 5000)], policy="hold")
        self.assertEqual("pending", self.outcome(held))
        many = [{"seller_id": f"nobody-{number}", "sku": "A"} for number in range(15_000)]
        for number, positions in enumerate(([], [{"seller_id": "s1", "sku": "A"}] * 1000, many)):
            self.send_inner("reserver", event(FILL, {"positions": positions}, id=f"fill-{number}"),
                            f"fill-{number}")
        for doorbell in ("let-go/held", "let-go/", "held"):
            self.send_inner("reserver", event(FILL, {"positions": []}, id=doorbell), doorbell)
        self.assertEqual("applied", self.outcome(self.move("receipt", "s1", "A", 9000)))
        self.wait_for_state("held", "ready")
        self.assert_good_ones_arrived()
        self.assert_workers_lived()


class CatalogueChangedTest(MarketTest):
    """Who cannot read what changed takes everything for changed. Nobody parks it: everybody has a copy."""

    workers = {"reserver": 2}

    def setUp(self):
        super().setUp()
        self.sell("s1", "A", 1000)
        self.carts = 0

    def asks_at(self, price_minor: int) -> str:
        """How a cart fares that is not paid and asks for this price."""
        self.carts += 1
        data = self.cart_data(f"o{self.carts}", [], paid=False)
        data["lines"] = [{"line_id": "1", "sku": "A", "quantity": 1, "unit_price_minor": price_minor}]
        return self.outcome(self.send_cart(data))

    def test_garbage_empties_what_is_remembered(self):
        bodies = {what: body for what, body in GARBAGE.items()
                  if what != "an empty batch"}  # which says: nothing
        bodies |= {"another type": event(CART, {}), "wrong": event(CATALOGUE, {"skus": 7}),
                   "a null character": event(CATALOGUE, {"skus": ["\0"]}), "two megabytes": b"x" * 2_000_000}
        price_minor = 100
        for what, body in bodies.items():
            with self.subTest(what):
                for _ in range(20):  # until both replicas remember it
                    self.assertEqual("reserved", self.asks_at(price_minor))
                old, price_minor = price_minor, price_minor + 1
                self.market.offer("s1", "A", price_minor)
                self.market.send(Message("catalogue", "", body, "bad", None), "fault", "", None)
                wait_for(lambda: [self.asks_at(old) for _ in range(8)] == ["rejected"] * 8,
                         what="the price to be read anew")
        self.assertEqual(2, len(self.fleet.running()))
        self.assertEqual([], self.market.collect_parked())
        self.assertFalse(any(self.market.answers[one.correlation_id] for one
                             in self.market.evidence.publications
                             if one.kind == "fault"))


if __name__ == "__main__":
    unittest.main()
