"""Counts, and facts that say less is there than what was promised."""

import json
import unittest

from environment import wait_for
from lib.messages import now
from market import MarketTest


class CountTest(MarketTest):
    workers = {"reserver": 1}

    def promise(self, units: int, of: int) -> None:
        self.sell("s1", "A", of)
        self.assertEqual("ready", self.outcome(self.cart("o1", [("1", "A", units)])))

    def applied(self, kind: str, quantity: int, **more) -> None:
        self.assertEqual("applied", self.outcome(self.move(kind, "s1", "A", quantity, **more)))

    def test_below_what_is_reserved_is_a_shortfall_that_names_its_orders(self):
        channel = self.market.channel
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "stock", "stock.shortfall")
        self.promise(8, of=10)
        self.applied("count", 5)
        self.assertEqual((8, 8, 3), self.position("s1", "A"))
        body = wait_for(lambda: channel.basic_get(queue, auto_ack=True)[2], what="stock.shortfall to be announced")
        events = json.loads(body)
        event = events[0] if isinstance(events, list) else events
        self.assertEqual(("s1", "A", "main", 3, ["o1"]), tuple(
            event["data"][name] for name in ("seller_id", "sku", "warehouse", "shortfall", "orders")))

    def test_nothing_is_sold_until_the_shortfall_is_gone(self):
        self.promise(8, of=10)
        self.applied("count", 5)
        self.assertEqual("rejected", self.outcome(self.cart("o2", [("1", "A", 1)])))
        self.applied("receipt", 3)
        self.assertEqual((8, 8, 0), self.position("s1", "A"))
        self.assertEqual("rejected", self.outcome(self.cart("o3", [("1", "A", 1)])))
        self.applied("receipt", 1)
        self.assertEqual("ready", self.outcome(self.cart("o4", [("1", "A", 1)])))
        self.assertEqual((9, 9, 0), self.position("s1", "A"))

    def test_a_cancellation_heals_a_shortfall(self):
        self.promise(8, of=10)
        self.applied("count", 5)
        self.assertEqual("cancelled", self.outcome(self.cancel("o1")))
        self.assertEqual((5, 0, 0), self.position("s1", "A"))

    def test_zero_is_a_count(self):
        self.promise(8, of=10)
        self.applied("count", 0)
        self.assertEqual((8, 8, 8), self.position("s1", "A"))
        self.applied("count", 20)
        self.assertEqual((20, 8, 0), self.position("s1", "A"))

    def test_what_is_dispatched_lowers_both(self):
        self.promise(8, of=10)
        self.applied("count", 5)
        self.applied("dispatch", 5, order_id="o1", line_id="1")
        self.assertEqual((3, 3, 3), self.position("s1", "A"))
        self.applied("return", 2, order_id="o1", line_id="1")
        self.assertEqual((3, 3, 1), self.position("s1", "A"))

    def test_what_is_older_than_the_count_is_in_it_already(self):
        self.promise(2, of=10)
        self.applied("count", 30, occurred_at=now(-60))
        counted = self.position("s1", "A")
        self.applied("receipt", 7, occurred_at=now(-120))
        self.assertEqual(counted, self.position("s1", "A"))
        self.applied("receipt", 7, occurred_at=now(-30))
        self.assertEqual((counted[0] + 7, 2, 0), self.position("s1", "A"))

    def test_the_same_count_again_changes_nothing(self):
        self.promise(2, of=10)
        for _ in range(3):
            self.applied("count", 6, event_id="inventory")
        self.assertEqual((6, 2, 0), self.position("s1", "A"))
        self.assertEqual(1, self.market.one("SELECT count(*) FROM stock_event WHERE kind = 'count'"))

    def test_counts_and_carts_at_once(self):
        """However they interleave: reserved units stay within what there is, and the shortfall says the rest."""
        self.fleet.start("reserver", 2)
        self.sell("s1", "A", 300)
        for number in range(300):
            self.cart(f"o{number}", [("1", "A", 1)])
            if number % 10 == 5:
                self.move("count", "s1", "A", 100 + number % 7, f"count-{number}")
        self.market.flush()
        states = self.wait_for_all_decided(300)
        on_hand, reserved, shortfall = self.position("s1", "A")
        self.assertEqual(reserved, states.get("ready", 0))
        self.assertGreaterEqual(on_hand - shortfall, 100)
        self.assertLessEqual(reserved, on_hand)
        self.fleet.start_all({"splitter": 1, "router": 1})
        self.assert_promises()

    def wait_for_all_decided(self, carts: int) -> dict[str, int]:
        """The orders by state, once all carts and movements are through."""
        def decided():
            states = dict(self.environment.rows("SELECT state::text, count(*) FROM orders GROUP BY state"))
            return states if sum(states.values()) == carts else None
        for sent in self.market.evidence.publications:
            if sent.kind == "movements":
                self.market.answer(sent.correlation_id)
        return wait_for(decided, what="all carts to be decided")


if __name__ == "__main__":
    unittest.main()
