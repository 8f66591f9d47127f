"""What the next worker does not take waits where it came in, not between the workers, and loses nothing."""

import unittest

from environment import wait_for
from market import MarketTest

HOP_BYTES = 65_536  # about 130 messages to sellers
CARTS = 1_500
CONFIG = f"""
topology: {{hop_bytes_max: {HOP_BYTES}}}
reserver: {{carts: {{prefetch: 100, events_max: 50}}}}
splitter: {{orders: {{events_max: 50}}}}
"""


class BackpressureTest(MarketTest):
    workers = {}

    def setUp(self):
        super().setUp()
        self.configure(CONFIG)

    def refused(self, worker: str) -> float:
        return self.fleet.metrics(worker).total("cartwright_nacked_total")

    def fill_up(self):
        """Without a router, until the reserver waits for the splitter and the splitter for the router."""
        self.fleet.start_all({"reserver": 1, "splitter": 1})
        self.sell("s1", "A", CARTS)
        for number in range(CARTS):
            self.cart(f"o{number}", [("1", "A", 1)])
        self.market.flush()
        wait_for(lambda: self.refused("splitter") > 0 and self.refused("reserver") > 0, what="both to be refused")
        self.assertGreater(self.environment.depth("reserver.carts"), CARTS / 3, "carts that wait where they came in")

    def assert_all_arrive(self):
        self.fleet.start("router")
        self.assert_promises()
        self.assertEqual({"ready": CARTS}, self.states())
        self.assertEqual([], self.market.evidence.parked)

    def test_no_router_for_a_while(self):
        self.fill_up()
        self.assert_all_arrive()

    def test_who_is_killed_with_refused_messages_in_hand_publishes_them_again(self):
        self.fill_up()
        for worker in self.fleet.running():
            worker.kill()
            worker.launch()  # not ready before there is room
        self.assert_all_arrive()


if __name__ == "__main__":
    unittest.main()
