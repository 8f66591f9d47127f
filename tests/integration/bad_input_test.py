"""Input that is wrong, each kind with the outcome that is promised: rejected with a reason, or parked with one."""

import json
import random
import unittest

from lib.messages import CLOUD_EVENT, Message, encode
from market import MarketTest, envelope

CART = "cartwright.cart.submitted.v1"
MOVED = "cartwright.stock.moved.v1"


class BadInputTest(MarketTest):
    workers = {"reserver": 1}

    def setUp(self):
        super().setUp()
        self.sell("s1", "A", 1000)
        self.before = self.position("s1", "A")

    def send_raw(self, body: bytes, reason: str, message_id: str | None = "raw", type_: str | None = CART,
                 exchange: str = "carts", routing_key: str = "cart.submitted", content_type: str = CLOUD_EVENT) -> str:
        message = Message(exchange, routing_key, body, message_id, type_, content_type)
        return self.market.send(message, "fault", "", None, must_park=(reason,))

    def assert_parked(self, sent: dict[str, tuple[str, str]]) -> None:
        """`sent`: by what it is, correlation id and reason; each is answered so and lies in parking, and nothing else."""
        for what, (correlation_id, reason) in sent.items():
            with self.subTest(what):
                type_, data = self.market.answer(correlation_id)
                self.assertEqual("message.parked", type_, data)
                self.assertEqual(reason, data["reason"], data)
                self.assertTrue(data["detail"])
        asked = {correlation_id for correlation_id, _ in sent.values()}
        parked = {one.correlation_id: one for one in self.market.collect_parked(len(asked))}
        self.assertEqual(asked, parked.keys())
        for what, (correlation_id, reason) in sent.items():
            self.assertEqual(reason, parked[correlation_id].reason, what)
        bodies = {one.correlation_id: one.body for one in self.market.evidence.publications}
        self.assertEqual({}, {id_: one.body for id_, one in parked.items() if one.body != bodies[id_]})

    def assert_nothing_happened(self) -> None:
        self.assertEqual(self.before, self.position("s1", "A"))
        self.assertEqual(0, self.market.one("SELECT count(*) FROM orders"))

    def test_what_is_no_event_is_parked(self):
        sent = {}
        bodies = {
            "nothing": b"", "not JSON": b"{not json", "cut short": encode(envelope(type=CART))[:-9],
            "a number": b"12", "a string": b'"cart"', "null": b"null",
            "invalid UTF-8": encode(envelope(type=CART, data=self.cart_data("o1", [("1", "A", 1)]))).replace(
                b'"web"', b'"\xff\xfe"'),
            "a lone surrogate": encode(envelope(type=CART, data=self.cart_data("o1", [("1", "A", 1)]))).replace(
                b'"web"', b'"\\ud800"'),
            "nested without end": b"[" * 200_000,
            "two values": encode(envelope(type=CART, data=self.cart_data("o1", [("1", "A", 1)]))) + b"{}",
        }
        for what, body in bodies.items():
            sent[what] = self.send_raw(body, "malformed"), "malformed"
        sent["bytes at random"] = self.send_raw(random.Random(7).randbytes(3000), "malformed"), "malformed"
        self.assert_parked(sent)
        self.assert_nothing_happened()

    def test_events_with_wrong_attributes_are_parked(self):
        data = self.cart_data("o1", [("1", "A", 1)])
        events = {
            "no id": ({"id": None}, "malformed"), "an empty id": ({"id": ""}, "malformed"),
            "an id that is a number": ({"id": 5}, "malformed"), "no type": ({"type": None}, "malformed"),
            "no source": ({"source": None}, "malformed"), "no data": ({"data": None}, "malformed"),
            "data that is a list": ({"data": []}, "malformed"),
            "another specversion": ({"specversion": "0.3"}, "malformed"),
            "no specversion": ({"specversion": None}, "malformed"),
            "a time that is none": ({"time": "yesterday"}, "malformed"),
            "an unknown type": ({"type": "cartwright.cart.invented.v1"}, "unknown_type"),
            "somebody else's type": ({"type": "com.example.thing"}, "unknown_type"),
            "another major version": ({"type": "cartwright.cart.submitted.v2"}, "unsupported_version"),
        }
        sent = {}
        for what, (change, reason) in events.items():
            event = {**envelope(type=CART, data=data), **change}
            body = encode({name: value for name, value in event.items() if value is not None})
            sent[what] = self.send_raw(body, reason), reason
        self.assert_parked(sent)
        self.assert_nothing_happened()

    def test_carts_of_wrong_types_are_parked(self):
        line = {"line_id": "1", "sku": "A", "quantity": 1}
        wrong_lines = [{"quantity": "1"}, {"quantity": 1.5}, {"quantity": None}, {"quantity": True},
                       {"quantity": 10 ** 30}, {"sku": 7}, {"sku": ""}, {"line_id": None}, {"line_id": 1},
                       {"unit_price_minor": "9"}, {"unit_price_minor": -1}, {"unit_price_minor": 2 ** 64}]
        wrong_carts = [{"order_id": 7}, {"order_id": ""}, {"order_id": None}, {"lines": "A"}, {"lines": [7]},
                       {"lines": {}}, {"paid": "yes"}, {"policy": "whatever"}, {"currency": "reais"},
                       {"channel": None}, {"placed_at": 5}, {"order_id": "x" * 5000}]
        wrong_carts += [{"lines": [{**line, **change}]} for change in wrong_lines]
        sent = {}
        for change in wrong_carts:
            body = encode(envelope(type=CART, data={**self.cart_data("o1", [("1", "A", 1)]), **change}))
            sent[str(change)[:80]] = self.send_raw(body, "malformed"), "malformed"
        self.assert_parked(sent)
        self.assert_nothing_happened()

    def test_movements_of_wrong_types_are_parked(self):
        good = {"kind": "receipt", "seller_id": "s1", "sku": "A", "warehouse": "main", "quantity": 1,
                "occurred_at": "2026-01-01T00:00:00Z"}
        wrong = [{"kind": "theft"}, {"quantity": "1"}, {"quantity": 10 ** 30}, {"occurred_at": "now"},
                 {"occurred_at": None}, {"seller_id": None}, {"seller_id": 3}]
        sent = {}
        for change in wrong:
            body = encode(envelope(type=MOVED, data={"movements": [{**good, **change}]}))
            sent[str(change)] = self.send_raw(body, "malformed", type_=MOVED, exchange="movements",
                                              routing_key="stock.moved"), "malformed"
        self.assert_parked(sent)
        self.assert_nothing_happened()

    def test_a_body_of_five_megabytes_is_parked_whole(self):
        data = self.cart_data("o1", [("1", "A", 1)])
        body = encode(envelope(type=CART, data={**data, "note": "x" * 5_000_000}))
        self.assert_parked({"5 MB": (self.send_raw(body, "body_too_large"), "body_too_large")})
        self.assert_nothing_happened()

    def test_ten_thousand_lines_are_rejected(self):
        sent = self.cart("long", [(str(number), "A", 1) for number in range(10_000)])
        self.assertEqual({"too_many_lines"}, {code for _, code in self.codes(sent)})
        self.assertEqual(self.before, self.position("s1", "A"))
        self.assertEqual([], self.market.collect_parked())

    def test_carts_that_say_something_impossible_are_rejected_with_every_reason(self):
        self.market.seller("closed", "suspended")
        self.market.offer("closed", "C")
        self.market.offer("s2", "E", currency="EUR")
        self.market.offer("s2", "I", status="inactive")
        self.market.offer("s2", "dear", price_minor=2 ** 62)
        line = {"line_id": "1", "sku": "A", "quantity": 1}
        expected = [
            ([{**line, "sku": "nothing"}], {}, {("1", "unknown_sku")}),
            ([{**line, "seller_id": "s2"}], {}, {("1", "seller_mismatch")}),
            ([{**line, "sku": "C", "seller_id": "closed"}], {}, {("1", "seller_suspended")}),
            ([{**line, "sku": "C"}], {}, {("1", "seller_suspended")}),
            ([{**line, "sku": "I"}], {}, {("1", "offer_inactive")}),
            ([{**line, "unit_price_minor": 99}], {"paid": False}, {("1", "price_changed")}),
            ([{**line, "sku": "E"}], {}, {("1", "currency_mismatch")}),
            ([{**line, "quantity": 0}], {}, {("1", "quantity_invalid")}),
            ([{**line, "quantity": -3}], {}, {("1", "quantity_invalid")}),
            ([{**line, "quantity": 2 ** 62}], {}, {("1", "quantity_invalid")}),
            ([{**line, "quantity": 2 ** 63 - 1}], {}, {("1", "quantity_invalid")}),
            ([line, line], {}, {("1", "repeated_line_id")}),
            ([line, {**line, "sku": "nothing"}], {}, {("1", "repeated_line_id")}),
            ([], {}, {("", "empty_cart")}),
            ([{**line, "quantity": 1000, "sku": "dear"}], {}, {("", "total_too_large")}),
            ([{**line, "quantity": 1001}], {}, {("1", "short_stock")}),
            ([line, {**line, "line_id": "2", "sku": "nothing"}, {**line, "line_id": "3", "sku": "I"}], {},
             {("2", "unknown_sku"), ("3", "offer_inactive")}),
        ]
        sent = []
        for number, (lines, more, codes) in enumerate(expected):
            data = {**self.cart_data(f"o{number}", []), "lines": lines, **more}
            sent.append((self.send_cart(data), codes, lines))
        for correlation_id, codes, lines in sent:
            with self.subTest(str(lines)):
                self.assertLessEqual(codes, self.codes(correlation_id))
                if ("1", "repeated_line_id") not in codes:
                    self.assertEqual(codes, self.codes(correlation_id))
        self.assertEqual(self.before, self.position("s1", "A"))
        self.assertEqual([], self.market.collect_parked())
        self.assertEqual({"rejected"}, {state for (state,) in
                                        self.environment.rows("SELECT state::text FROM orders")})

    def test_a_paid_cart_is_not_rejected_for_its_price(self):
        data = self.cart_data("o1", [])
        data["lines"] = [{"line_id": "1", "sku": "A", "quantity": 1, "unit_price_minor": 5}]
        self.assertEqual("ready", self.outcome(self.send_cart(data)))

    def test_two_lines_for_one_sku_are_summed(self):
        self.assertEqual("ready", self.outcome(self.cart("both", [("1", "A", 400), ("2", "A", 500)])))
        self.assertEqual((1000, 900, 0), self.position("s1", "A"))
        self.assertEqual([(900,)], self.environment.rows(
            "SELECT reserved_delta FROM stock_event WHERE order_id = 'both'"))
        over = self.cart("over", [("1", "A", 60), ("2", "A", 60)])
        self.assertEqual("rejected", self.outcome(over))
        self.assertEqual((1000, 900, 0), self.position("s1", "A"))

    def test_an_order_id_used_again_for_another_cart_is_parked(self):
        first = self.cart("o1", [("1", "A", 2)])
        self.assertEqual("ready", self.outcome(first))
        other = self.cart("o1", [("1", "A", 3)], event_id="other")
        self.assertEqual("id_conflict", self.market.answer(other)[1]["reason"])
        same = self.send_cart({**self.cart_data("o1", [("1", "A", 2)]), "policy": "all_or_nothing"}, "again")
        self.assertEqual("ready", self.outcome(same))
        self.assertEqual((1000, 2, 0), self.position("s1", "A"))
        self.assertEqual(["id_conflict"], [one.reason for one in self.market.collect_parked(1)])

    def test_movements_that_cannot_be_are_rejected_and_parked(self):
        wrong = {
            "a negative receipt": dict(kind="receipt", quantity=-5),
            "a receipt of nothing": dict(kind="receipt", quantity=0),
            "a negative count": dict(kind="count", quantity=-1),
            "an adjustment without a reason": dict(kind="adjustment", quantity=2),
            "tomorrow": dict(kind="receipt", quantity=1, occurred_at="2099-01-01T00:00:00Z"),
        }
        for number, (what, movement) in enumerate(wrong.items()):
            with self.subTest(what):
                movement = {"seller_id": "s1", "sku": "A", "warehouse": "main",
                            "occurred_at": envelope()["time"], **movement}
                sent = self.send_movements(f"m{number}", [movement], must_park=("movement_rejected",))
                type_, data = self.market.answer(sent)
                answered = data["results"][0]["status"] if type_ == "stock.applied" else data["reason"]
                self.assertIn(answered, ("rejected", "movement_rejected"), data)
        self.assertEqual(self.before, self.position("s1", "A"))

    def test_good_ones_among_bad_ones_go_through(self):
        sent, good = {}, []
        for number in range(60):
            if number % 3:
                good.append(self.cart(f"o{number}", [("1", "A", 1)]))
            else:
                body = json.dumps(envelope(type=CART, data={"order_id": f"bad{number}"})).encode()
                sent[str(number)] = self.send_raw(body, "malformed", f"bad{number}"), "malformed"
        self.assertEqual({"ready"}, {self.outcome(correlation_id) for correlation_id in good})
        self.assert_parked(sent)
        self.assertEqual((1000, 40, 0), self.position("s1", "A"))


class LongIdsTest(MarketTest):
    """Ids of 200 bytes, the most that is taken, make ids of the fleet's own events that AMQP has no room for."""

    def test_they_go_all_the_way(self):
        seller, sku, order = "s" * 200, "k" * 200, "o" * 200
        self.market.seller(seller)
        self.sell(seller, sku, 3, "w" * 200)
        self.assertEqual("ready", self.outcome(self.cart(order, [("1" * 200, sku, 1)], "e" * 200)))
        self.assertEqual("cancelled", self.outcome(self.cancel(order, event_id="c" * 200)))
        self.assertEqual("pending", self.outcome(self.cart("w" * 200, [("1", sku, 9)], "h" * 200, policy="hold")))
        self.assertEqual("applied", self.outcome(self.move("receipt", seller, sku, 9, "m" * 200, "w" * 200)))
        self.assertEqual("applied", self.outcome(self.move("count", seller, sku, 1, "n" * 200, "w" * 200)))
        self.assert_promises()


if __name__ == "__main__":
    unittest.main()
