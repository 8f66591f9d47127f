"""Every message comes twice at every stage, and acts once; a repeat gets the same answer."""

import copy
import unittest

from doubling import HOPS, Doubling
from environment import EnvironmentTest, wait_for
from lib.messages import cart_submitted, re_serialised, stock_moved
from market import MarketTest
from storm_market import StormMarket


class Twice:
    """Moves what lies in a queue on, each message `times` times; a stage at a time, while its worker is not there."""

    def __init__(self, channel, queue: str):
        self._channel, self._queue = channel, queue

    def all(self, times: int = 2) -> int:
        taken = []
        while (got := self._channel.basic_get(self._queue, auto_ack=True))[0] is not None:
            taken.append(got)
        for _ in range(times):
            for _, properties, body in taken:
                self._channel.basic_publish("", self._queue, body, properties)
        return len(taken)


class DuplicatesTest(MarketTest):
    workers = {"reserver": 1}

    def trade(self) -> None:
        """Some of everything, each sent twice: the same bytes, then the same meaning in other bytes."""
        for number in range(12):
            self.market.offer(f"s{number % 3 + 1}", f"k{number}")
            movement = {"kind": "receipt", "seller_id": f"s{number % 3 + 1}", "sku": f"k{number}", "warehouse": "main",
                        "quantity": 20, "occurred_at": "2026-01-01T00:00:00Z"}
            for repeat in range(2):
                message = stock_moved(f"m{number}", [movement])
                self.market.send(re_serialised(message) if repeat else message, "movements", f"m{number}",
                                 {"movements": [movement]})
        self.market.flush()
        wait_for(lambda: self.market.one("SELECT count(*) FROM stock_position") == 12, what="12 receipts")
        for number in range(40):
            data = self.cart_data(f"o{number}", [("1", f"k{number % 12}", 2), ("2", f"k{(number + 1) % 12}", 1),
                                                 ("3", f"k{number % 12}", 1)],
                                  policy=("all_or_nothing", "partial", "hold")[number % 3])
            self.send_cart(data)
            self.market.send(re_serialised(cart_submitted(data, f"other-{number}")), "cart", f"o{number}",
                             copy.deepcopy(data))

    def decided(self, orders: int) -> None:
        self.market.flush()
        wait_for(lambda: self.market.one("SELECT count(*) FROM orders") == orders, what="the carts to be decided")
        for sent in self.market.evidence.publications:
            if sent.reply_to:
                self.market.answer(sent.correlation_id)

    def test_at_every_stage(self):
        self.trade()
        self.decided(40)
        cancelled = [f"o{number}" for number in range(0, 40, 5)]
        for order_id in cancelled:
            for _ in range(2):
                self.cancel(order_id, event_id=f"x-{order_id}")
        self.decided(40)
        self.fleet.stop()
        channel = self.market.channel
        self.assertGreater(Twice(channel, "splitter.orders").all(3), 0)
        splitter, = self.fleet.start("splitter")
        wait_for(lambda: not self.market.left_inside().get("splitter.orders"), what="the orders to be split")
        splitter.stop()
        self.assertEqual({}, {queue: depth for queue, depth in self.market.left_inside().items()
                              if queue.startswith("splitter.retry")})
        self.assertGreater(Twice(channel, "router.seller-messages").all(3), 0)
        self.fleet.start("router")
        self.assert_promises()
        arrivals = [one.message_id for one in self.market.evidence.arrivals]
        self.assertEqual(len(set(arrivals)), len(arrivals), "sellers got something twice though no worker died")

    def test_the_same_order_in_two_batches_on_two_splitters(self):
        self.trade()
        self.decided(40)
        channel = self.market.channel
        self.fleet.stop()
        Twice(channel, "splitter.orders").all(4)
        self.fleet.start_all({"splitter": 2, "router": 2})
        self.assert_promises()
        orders = self.environment.rows("SELECT count(*), count(DISTINCT (seller_id, order_id)) FROM seller_message")
        self.assertEqual(orders[0][0], orders[0][1])

    def test_a_doorbell_again_announces_again_what_it_filled(self):
        """As after a death between commit and publish: the effect is there, its announcement is not."""
        self.fleet.kill()
        reserver, = self.fleet.start("reserver")
        self.market.offer("s1", "A")
        self.assertEqual("pending", self.outcome(self.cart("o1", [("1", "A", 2)], policy="hold")))
        channel = self.market.channel
        spy = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(spy, "stock", "stock.fill")
        self.move("receipt", "s1", "A", 2)
        self.wait_for_state("o1", "ready")
        wait_for(lambda: self.market.left_inside().get("splitter.orders"), what="the order to be announced")
        reserver.stop()
        bells = []
        while (got := channel.basic_get(spy, auto_ack=True))[0] is not None:
            bells.append(got)
        self.assertTrue(bells, "the receipt rang no stock.fill")
        channel.queue_purge("splitter.orders")
        for _, properties, body in bells:
            channel.basic_publish("", "reserver.fill", body, properties)
        self.fleet.kill()
        self.fleet.start_all({"reserver": 1, "splitter": 1, "router": 1})
        self.assert_promises()
        self.assertEqual(["o1"], [one.order_id for one in self.market.evidence.arrivals])


class EveryHopTest(EnvironmentTest):
    """Every message of every queue of the fleet comes twice and in another order, all at the same time."""

    def test_all_at_once_under_load(self):
        # Who waits for what has not come yet climbs a ladder; whether anybody has to is chance.
        busy = {queue for queue in HOPS if not queue.endswith(".retry")}
        self.fleet.start_all({"reserver": 2, "splitter": 2, "router": 2})
        market = StormMarket(self.environment, seed=11, carts_per_s=100, seconds=10)
        self.addCleanup(market.close)
        violations: list[str] = []

        def settled() -> bool:
            violations[:] = market.violations() + [f"not doubled: {left}" for left in doubling.left().items()]
            return not violations

        with Doubling(self.environment, seed=12) as doubling:
            market.begin()
            wait_for(lambda: market.voice.carts > 1000 and not busy - doubling.doubled.keys(), 60, "enough trade")
            market.end()
            try:
                wait_for(settled, 60)
            except AssertionError:
                self.fail(f"{len(violations)} violations:\n" + "\n".join(violations[:20]))
        self.assertEqual([], doubling.troubles)
        self.assertIsNone(market.trouble)
        self.assert_drained(market)
        arrivals = [one.message_id for one in market.evidence.arrivals]
        self.assertEqual(len(set(arrivals)), len(arrivals), "sellers got something twice though no worker died")
        self.environment.cartwright("topology", "check")


if __name__ == "__main__":
    unittest.main()
