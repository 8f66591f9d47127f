"""Held carts: whatever raises availability wakes them, whoever wins the race between the two."""

import json
import unittest

from lib.messages import catalogue_changed
from market import MarketTest


class HeldTest(MarketTest):
    def test_a_receipt_wakes_the_oldest_first(self):
        self.sell("s1", "A", 1)
        held = [self.cart(f"o{number}", [("1", "A", 3)], policy="hold") for number in range(3)]
        self.assertEqual(["pending"] * 3, [self.outcome(one) for one in held])
        self.move("receipt", "s1", "A", 6)
        self.assert_promises()
        self.assertEqual(["ready", "ready", "pending"], [self.state(f"o{number}") for number in range(3)])
        self.assertEqual((7, 6, 0), self.position("s1", "A"))
        self.assertEqual(["pending", "ready"], [type_.split(".")[1] for type_, _ in self.market.answers[held[0]]])

    def test_every_kind_of_gain_wakes(self):
        self.sell("s1", "A", 10)
        self.assertEqual("ready", self.outcome(self.cart("sold", [("1", "A", 10)])))
        gains = {
            "count": lambda: self.move("count", "s1", "A", 12),
            "adjustment": lambda: self.move("adjustment", "s1", "A", 2, reason="found"),
            "release": lambda: self.move("release", "s1", "A", 2, order_id="sold", line_id="1"),
            "cancellation": lambda: self.cancel("sold", {"1": 2}),
            "receipt": lambda: self.move("receipt", "s1", "A", 2),
        }
        for what, gain in gains.items():
            with self.subTest(what):
                self.assertEqual("pending", self.outcome(self.cart(what, [("1", "A", 2)], policy="hold")))
                gain()
                self.wait_for_state(what, "ready")
        self.assertEqual("applied", self.outcome(self.move("dispatch", "s1", "A", 3, order_id="sold", line_id="1")))
        self.assertEqual("pending", self.outcome(self.cart("return", [("1", "A", 1)], policy="hold")))
        self.move("return", "s1", "A", 1, order_id="sold", line_id="1")
        self.wait_for_state("return", "ready")

    def two_that_wait(self, in_stock: int) -> None:
        """`older` waits for A and B, `younger` for A alone, which `older` keeps from it."""
        self.market.offer("s1", "A")
        self.market.offer("s1", "B")
        self.assertEqual("pending", self.outcome(self.cart("older", [("1", "A", 1), ("2", "B", 1)], policy="hold")))
        self.assertEqual("pending", self.outcome(self.cart("younger", [("1", "A", 1)], policy="hold")))
        self.assertEqual("applied", self.outcome(self.move("receipt", "s1", "A", in_stock)))
        self.assert_promises(drain=False)
        self.assertEqual(("pending", "pending"), (self.state("older"), self.state("younger")))

    def test_an_older_cart_that_is_cancelled_lets_the_younger_have_it(self):
        self.two_that_wait(in_stock=1)
        self.cancel("older", event_id="cancel")
        self.wait_for_state("younger", "ready")
        self.assert_promises()

    def test_an_older_cart_that_is_filled_lets_the_younger_have_the_rest(self):
        self.two_that_wait(in_stock=2)
        self.move("receipt", "s1", "B", 1)
        self.wait_for_state("older", "ready")
        self.wait_for_state("younger", "ready")
        self.assert_promises()

    def test_an_older_cart_that_is_rejected_lets_the_younger_have_it(self):
        self.two_that_wait(in_stock=1)
        self.market.offer("s1", "B", status="inactive")
        self.market.send(catalogue_changed("gone", skus=["B"]), "catalogue", "gone", None, answered=False)
        self.move("receipt", "s1", "B", 1)
        self.wait_for_state("older", "rejected")
        self.wait_for_state("younger", "ready")

    def test_a_cancellation_whose_doorbell_was_lost_rings_when_it_comes_again(self):
        self.two_that_wait(in_stock=1)
        self.fleet.named("reserver")[0].kill()
        # As it left the database when it died between commit and publish.
        self.environment.rows("UPDATE orders SET state = 'cancelled', answer = %s WHERE order_id = 'older' RETURNING 1", (
            json.dumps({"order_id": "older", "reason": "no longer wanted", "whole": True, "sellers": []}),))
        self.fleet.named("reserver")[0].start()
        self.cancel("older", event_id="cancel")
        self.wait_for_state("younger", "ready")
        self.assert_promises()

    def test_a_sku_without_a_position_is_waited_for(self):
        self.market.offer("s1", "new")
        self.assertEqual("pending", self.outcome(self.cart("o1", [("1", "new", 2)], policy="hold")))
        self.move("receipt", "s1", "new", 2)
        self.assert_promises()
        self.assertEqual("ready", self.state("o1"))

    def test_a_cart_over_two_sellers_waits_for_both(self):
        self.market.offer("s1", "A")
        self.market.offer("s2", "B")
        self.assertEqual("pending", self.outcome(self.cart("o1", [("1", "A", 2), ("2", "B", 1)], policy="hold")))
        self.assertEqual("applied", self.outcome(self.move("receipt", "s1", "A", 2)))
        self.assert_promises(drain=False)
        self.assertEqual(("pending", (2, 0, 0)), (self.state("o1"), self.position("s1", "A")))
        self.move("receipt", "s2", "B", 1)
        self.wait_for_state("o1", "ready")
        self.assert_promises()

    def test_carts_and_receipts_at_once_and_nobody_sleeps_through(self):
        """Each SKU gets exactly what its carts ask for, at the same time; half of them have no position before."""
        self.fleet.start("reserver", 2)
        for number in range(60):
            self.market.offer(f"s{number % 3 + 1}", f"k{number}")
            if number % 2:
                self.move("receipt", f"s{number % 3 + 1}", f"k{number}", 1, f"first-{number}")
        self.assert_promises(drain=False)
        for number in range(60):
            seller_id, sku = f"s{number % 3 + 1}", f"k{number}"
            self.cart(f"a{number}", [("1", sku, 2)], policy="hold")
            self.move("receipt", seller_id, sku, 3, f"second-{number}")
            self.cart(f"b{number}", [("1", sku, 2), ("2", f"k{(number + 1) % 60}", 1)], policy="hold")
            self.move("receipt", seller_id, sku, 2, f"third-{number}")
        self.assert_promises()
        self.assertEqual([("ready", 120)], self.environment.rows(
            "SELECT state::text, count(*) FROM orders GROUP BY state"))

    def test_a_receipt_that_comes_again_wakes_but_adds_nothing(self):
        self.sell("s1", "A", 1)
        self.assertEqual("pending", self.outcome(self.cart("o1", [("1", "A", 2)], policy="hold")))
        self.move("receipt", "s1", "A", 1, "once")
        self.wait_for_state("o1", "ready")
        self.move("receipt", "s1", "A", 1, "once", occurred_at="2026-01-01T00:00:00Z")  # the first one counts
        self.assert_promises()
        self.assertEqual((2, 2, 0), self.position("s1", "A"))


if __name__ == "__main__":
    unittest.main()
