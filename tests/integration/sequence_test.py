"""The router: whatever comes in, in whatever order and however often, each stream leaves in sequence."""

import random
import unittest

import pika
from environment import wait_for
from market import MarketTest

ORDERS = 240


class SequenceTest(MarketTest):
    workers = {"reserver": 1, "splitter": 2}

    def setUp(self):
        super().setUp()
        for number in range(9):
            self.sell(f"s{number % 3 + 1}", f"k{number}", 1000)

    def numbered(self) -> list[tuple]:
        """The messages that the splitters stored for a trade with cancellations; none is delivered yet."""
        for number in range(ORDERS):
            lines = [(str(line), f"k{(number + line) % 9}", 1) for line in range(1 + number % 3)]
            self.cart(f"o{number}", lines, answered=False)
        self.market.flush()
        self.wait_for_orders(ORDERS)
        for number in range(0, ORDERS, 4):
            self.cancel(f"o{number}", answered=False)
        self.market.flush()
        claims = {"split/ready": ORDERS, "split/cancelled": ORDERS // 4}
        wait_for(lambda: claims == dict(self.environment.rows(
            "SELECT item, count(*) FROM inbox WHERE starts_with(item, 'split/') GROUP BY item")),
            what="everything to be numbered")
        self.fleet.stop()
        self.market.channel.queue_purge("router.seller-messages")
        rows = self.environment.rows("SELECT seller_id, stream, number, kind, body FROM seller_message")
        self.assertGreater(len(rows), ORDERS)
        return rows

    def publish(self, rows: list[tuple]) -> None:
        channel = self.market.channel
        for seller_id, stream, number, kind, body in rows:
            type_ = kind if kind.startswith("cartwright.") else f"cartwright.seller.{kind.split('.')[-1]}.v1"
            channel.basic_publish("seller-messages", "seller.message", body.encode(), pika.BasicProperties(
                content_type="application/cloudevents+json", delivery_mode=2, type=type_,
                message_id=f"{seller_id}/{stream}/{number}"))

    def test_shuffled_and_repeated_through_four_routers(self):
        rows = self.numbered()
        chance = random.Random(3)
        shuffled = rows + chance.choices(rows, k=len(rows))
        chance.shuffle(shuffled)
        self.publish(shuffled)
        self.fleet.start("router", 4)
        self.assert_promises()

    def test_backwards(self):
        rows = self.numbered()
        self.publish(sorted(rows, reverse=True))
        self.fleet.start("router", 4)
        self.assert_promises()

    def test_the_last_of_each_stream_brings_all_before_it(self):
        """Of every stream only the newest message comes; the others are read from where they were stored."""
        rows = self.numbered()
        newest = {}
        for row in sorted(rows):
            newest[row[:2]] = row
        self.publish(list(newest.values()))
        self.fleet.start("router", 2)
        self.assert_promises()
        self.assertEqual(len(rows), len(self.market.evidence.arrivals))

    def test_routers_that_die_over_shuffled_input_repeat_exactly(self):
        rows = self.numbered()
        shuffled = rows * 2
        random.Random(5).shuffle(shuffled)
        routers = self.fleet.start("router", 4)
        for begin in range(0, len(shuffled), 150):
            self.publish(shuffled[begin:begin + 150])
            victim = routers[begin // 150 % 4]
            victim.kill()
            victim.start()
        self.assert_promises()


class StuckTest(MarketTest):
    """A seller whose queue is gone waits; everybody else gets everything meanwhile."""

    sellers = [f"seller-{number}" for number in range(24)]

    def test_a_stuck_stream_stops_nobody_else(self):
        for seller in self.sellers:
            self.market.seller(seller)
            self.sell(seller, f"of-{seller}", 100)
        stuck_queue = "sellers.03"
        self.environment.servers.rabbitmq.management("DELETE", f"/api/queues/%2F/{stuck_queue}")
        stuck = set()
        for round_ in range(30):
            for number, seller in enumerate(self.sellers):
                other = self.sellers[(number + 1 + round_ % 7) % len(self.sellers)]
                self.cart(f"o-{round_}-{seller}", [("1", f"of-{seller}", 1), ("2", f"of-{other}", 1)], answered=False)
        self.market.flush()
        self.wait_for_orders(30 * len(self.sellers))

        def rows_behind() -> dict[str, tuple]:
            rows = self.environment.rows(
                "SELECT seller_id, last_assigned, coalesce(last_delivered, 0) FROM seller_stream "
                "LEFT JOIN seller_delivery USING (seller_id, stream)")
            return {seller: (assigned, delivered) for seller, assigned, delivered in rows}

        def only_the_stuck_are_behind() -> bool:
            rows = rows_behind()
            stuck.clear()
            stuck.update(seller for seller, (assigned, delivered) in rows.items() if delivered < assigned)
            return (sum(assigned for assigned, _ in rows.values()) == 60 * len(self.sellers)
                    and 0 < len(stuck) < len(self.sellers) // 2
                    and all(rows[seller][1] == 0 for seller in stuck))
        wait_for(only_the_stuck_are_behind, what="all streams but the stuck ones to be delivered")
        self.environment.cartwright("topology", "apply")
        self.assert_promises(timeout_s=60)


if __name__ == "__main__":
    unittest.main()
