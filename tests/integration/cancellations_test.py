"""Cancellations that come before their cart, with it, after it, twice under two ids, and for some units only."""

import re
import unittest

from environment import wait_for
from lib.fleet import CONFIG
from market import MarketTest


class CancellationTest(MarketTest):
    def setUp(self):
        super().setUp()
        self.sell("s1", "A", 100)
        self.sell("s2", "B", 100)

    def told(self, order_id: str) -> list[str]:
        """The kinds of message that sellers got about an order, seller by seller."""
        return [one.kind for one in sorted(self.market.collect_arrivals(), key=lambda one: one[2:5])
                if one.order_id == order_id]

    def test_of_a_reserved_order_gives_its_units_back_and_tells_its_sellers(self):
        self.assertEqual("ready", self.outcome(self.cart("o1", [("1", "A", 3), ("2", "B", 4)])))
        self.assertEqual("cancelled", self.outcome(self.cancel("o1")))
        self.assertEqual((100, 0, 0), self.position("s1", "A"))
        self.assertEqual((100, 0, 0), self.position("s2", "B"))
        self.assert_promises()
        self.assertIn(self.told("o1"), ([], ["order", "cancellation"] * 2))

    def test_that_overtakes_its_cart_is_remembered(self):
        self.assertEqual("cancelled", self.outcome(self.cancel("o1")))
        self.assertEqual("cancelled", self.outcome(self.cart("o1", [("1", "A", 3)])))
        self.assertEqual((100, 0, 0), self.position("s1", "A"))
        self.assert_promises()
        self.assertEqual([], self.told("o1"))

    def test_that_comes_twice_under_two_ids_releases_once(self):
        self.cart("other", [("1", "A", 50)])
        self.assertEqual("ready", self.outcome(self.cart("o1", [("1", "A", 3), ("2", "B", 4)])))
        first, second = self.cancel("o1", event_id="x1"), self.cancel("o1", event_id="x2")
        self.assertEqual(["cancelled"] * 2, [self.outcome(first), self.outcome(second)])
        self.assertEqual((100, 50, 0), self.position("s1", "A"))
        self.assertEqual(2, self.market.one("SELECT count(*) FROM stock_event WHERE kind = 'release'"))
        self.assert_promises()

    def test_of_some_units_comes_twice_and_acts_once_for_each_id(self):
        self.assertEqual("ready", self.outcome(self.cart("o1", [("1", "A", 9)])))
        for event_id, left in (("x1", 7), ("x1", 7), ("x2", 5), ("x1", 5)):
            self.assertEqual("ready", self.outcome(self.cancel("o1", {"1": 2}, event_id)))
            self.assertEqual((100, left, 0), self.position("s1", "A"))
        self.assert_promises()
        self.assertEqual(["order", "cancellation", "cancellation"], self.told("o1"))

    def test_of_more_units_than_are_open_is_parked(self):
        self.assertEqual("ready", self.outcome(self.cart("o1", [("1", "A", 3)])))
        type_, data = self.market.answer(self.cancel("o1", {"1": 4}))
        self.assertEqual(("message.parked", "movement_rejected"), (type_, data["reason"]))
        self.assertEqual((100, 3, 0), self.position("s1", "A"))
        self.assertEqual(["movement_rejected"], [one.reason for one in self.market.collect_parked(1)])

    def test_of_a_held_order_takes_it_off_the_list(self):
        self.assertEqual("pending", self.outcome(self.cart("o1", [("1", "A", 150)], policy="hold")))
        self.assertEqual("cancelled", self.outcome(self.cancel("o1")))
        # The cancellation is answered before the doorbell that it rings has taken the order off.
        wait_for(lambda: not self.environment.rows("SELECT * FROM held_line"), what="the list to be empty")
        self.move("receipt", "s1", "A", 100)
        self.assert_promises()
        self.assertEqual([], self.told("o1"))

    def test_together_with_their_carts_in_any_order(self):
        self.fleet.start("reserver")
        for number in range(150):
            order_id, cart_first = f"o{number}", number % 2
            if cart_first:
                self.cart(order_id, [("1", "A", 1), ("2", "B", 1)])
            self.cancel(order_id)
            if not cart_first:
                self.cart(order_id, [("1", "A", 1), ("2", "B", 1)])
            if number % 3 == 0:
                self.cancel(order_id, event_id=f"again-{number}")
        self.assert_promises()
        self.assertEqual((100, 0, 0), self.position("s1", "A"))
        self.assertEqual((100, 0, 0), self.position("s2", "B"))


class WrongOrderTest(MarketTest):
    """The reserver's announcements of a cart and of its cancellation reach the splitter the wrong way round."""

    workers = {"reserver": 1}

    def swapped(self, channel) -> None:
        """Takes both announcements from the splitter's queue and puts them back in the other order."""
        taken = []
        while len(taken) < 2:
            method, properties, body = channel.basic_get("splitter.orders", auto_ack=True)
            if method is not None:
                taken.append((method.routing_key, properties, body))
        self.assertEqual(["order.ready", "order.cancelled"], [routing_key for routing_key, *_ in taken])
        for routing_key, properties, body in reversed(taken):
            channel.basic_publish("orders", routing_key, body, properties)

    def test_a_whole_cancellation_first_means_that_no_seller_hears_of_it(self):
        self.sell("s1", "A", 10)
        self.assertEqual("ready", self.outcome(self.cart("o1", [("1", "A", 3)])))
        self.assertEqual("cancelled", self.outcome(self.cancel("o1")))
        self.swapped(self.market.channel)
        self.fleet.start_all({"splitter": 1, "router": 1})
        self.sell("s2", "B", 10)
        self.cart("later", [("1", "B", 1)])
        self.assert_promises()
        self.assertEqual(["later"], [one.order_id for one in self.market.evidence.arrivals])

    def test_a_partial_cancellation_first_waits_for_its_order(self):
        self.sell("s1", "A", 10)
        self.assertEqual("ready", self.outcome(self.cart("o1", [("1", "A", 3)])))
        self.assertEqual("ready", self.outcome(self.cancel("o1", {"1": 1})))
        self.swapped(self.market.channel)
        self.fleet.start_all({"splitter": 1, "router": 1})
        self.assert_promises()
        self.assertEqual(["order", "cancellation"], [one.kind for one in self.market.evidence.arrivals])


class FullLadderTest(MarketTest):
    """Far more has to wait than a rung of the ladder holds."""

    ROOM, ORDERS = 40, 150  # the retry queue has room for all of them, as ever
    workers = {}

    def setUp(self):
        super().setUp()
        text = re.sub("ladder_ms: .*", f"ladder_ms: [200, 400]\n  rung_messages_max: {self.ROOM}", CONFIG.read_text())
        self.configure(re.sub("ladder_attempts_max: .*", "ladder_attempts_max: 1000", text))

    def test_what_finds_no_room_waits_before_it_and_loses_nothing(self):
        self.fleet.start("reserver")
        self.sell("s1", "A", 3 * self.ORDERS)
        for number in range(self.ORDERS):
            self.assertEqual("ready", self.outcome(self.cart(f"o{number}", [("1", "A", 3)])))
            self.assertEqual("ready", self.outcome(self.cancel(f"o{number}", {"1": 1})))
        wait_for(lambda: self.environment.depth("splitter.orders") == 2 * self.ORDERS, what="the announcements")
        announced = [self.market.channel.basic_get("splitter.orders", auto_ack=True) for _ in range(2 * self.ORDERS)]
        self.fleet.start_all({"splitter": 1, "router": 1})
        self.put_back("order.cancelled", announced)
        wait_for(lambda: self.fleet.metrics("splitter").total("cartwright_nacked_total") > 0,
                 what="a rung to refuse")
        self.put_back("order.ready", announced)
        self.assert_promises()
        self.assertEqual({f"o{number}": ["order", "cancellation"] for number in range(self.ORDERS)},
                         {f"o{number}": [one.kind for one in self.market.evidence.arrivals if one.order_id == f"o{number}"]
                          for number in range(self.ORDERS)})

    def put_back(self, routing_key: str, announced: list) -> None:
        for method, properties, body in announced:
            if method.routing_key == routing_key:
                self.market.channel.basic_publish("orders", routing_key, body, properties)


if __name__ == "__main__":
    unittest.main()
