"""Carts that want the same units at the same time, on several reservers: exactly as many win as can.

CARTWRIGHT_ROUNDS=10000 runs as many rounds of each race.
"""

import os
import random
import unittest

from lib.evidence import Race
from market import MarketTest

ROUNDS = int(os.environ.get("CARTWRIGHT_ROUNDS") or 2000)
PAIRS = int(os.environ.get("CARTWRIGHT_ROUNDS") or 300)
SELLERS = ("s1", "s2", "s3")


class RaceTest(MarketTest):
    workers = {"reserver": 3}

    def stock(self, skus: int, units: int) -> None:
        """That many SKUs, k0 and on, with so many units each; returns when they are booked."""
        offers = [(SELLERS[number % 3], f"k{number}") for number in range(skus)]
        self.market.offers(offers)
        sent = [self.send_movements(f"m{begin}", [
            {"kind": "receipt", "seller_id": seller_id, "sku": sku, "warehouse": "main", "quantity": units,
             "occurred_at": "2026-01-01T00:00:00Z"} for seller_id, sku in offers[begin:begin + 200]])
            for begin in range(0, skus, 200)]
        for correlation_id in sent:
            self.market.answer(correlation_id)

    def finish(self) -> None:
        self.market.flush()
        self.wait_for_orders(sum(sent.kind == "cart" for sent in self.market.evidence.publications))
        self.fleet.start_all({"splitter": 1, "router": 1})
        self.assert_promises()

    def test_two_carts_for_the_last_unit(self):
        self.stock(ROUNDS, 1)
        for number in range(ROUNDS):
            pair = [f"{number}-{side}" for side in "ab"]
            for order_id in pair:
                self.cart(order_id, [("1", f"k{number}", 1)], answered=False)
            self.market.evidence.races.append(Race(tuple(pair), 1, f"the only unit of k{number}"))
        self.finish()
        self.assertEqual({"ready": ROUNDS, "rejected": ROUNDS}, self.states())

    def test_carts_that_want_the_same_two_in_opposite_order(self):
        """Neither deadlocks for good nor gets half: one of each pair has both units, the other none."""
        self.stock(2 * PAIRS, 1)
        for number in range(0, 2 * PAIRS, 2):
            pair = [f"{number}-{side}" for side in "ab"]
            wanted = [f"k{number}", f"k{number + 1}"]
            for order_id, skus in zip(pair, (wanted, wanted[::-1])):
                self.cart(order_id, list(zip("12", skus, (1, 1))), answered=False)
            self.market.evidence.races.append(Race(tuple(pair), 1, f"the only units of {wanted}"))
        self.finish()
        self.assertEqual({"ready": PAIRS, "rejected": PAIRS}, self.states())

    def test_a_crowd_for_few_units(self):
        """Everybody wants the same SKU; exactly its units are sold, whatever else the carts ask for."""
        self.stock(50, 400)
        chance = random.Random(11)
        for number in range(900):
            more = chance.sample(range(1, 50), 2)
            self.cart(f"o{number}", [("k0", "k0", 1)] + [(f"k{one}", f"k{one}", 1) for one in more], answered=False)
        self.market.evidence.races.append(Race(tuple(f"o{number}" for number in range(900)), 400, "the crowd"))
        self.finish()
        self.assertEqual((400, 400, 0), self.position("s1", "k0"))

    def test_the_same_cart_on_three_reservers(self):
        self.stock(PAIRS, 1)
        for number in range(PAIRS):
            for copy in range(3):
                self.cart(f"o{number}", [("1", f"k{number}", 1)], f"{number}/{copy}", answered=False)
        self.finish_repeats(PAIRS)

    def finish_repeats(self, orders: int) -> None:
        self.market.flush()
        self.wait_for_orders(orders)
        self.fleet.start_all({"splitter": 1, "router": 1})
        self.assert_promises()
        self.assertEqual({"ready": orders}, self.states())


if __name__ == "__main__":
    unittest.main()
