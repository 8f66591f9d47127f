"""Workers are killed and the broker dies while everybody trades: afterwards every promise holds all the same."""

import random
import unittest

from environment import wait_for
from market import MarketTest

SKUS = 24
SELLERS = ("s1", "s2", "s3")


class Trade:
    """Carts of all policies, cancellations, receipts, counts, releases and dispatches; the same for the same seed."""

    def __init__(self, test: MarketTest, seed: int):
        self._test = test
        self._chance = random.Random(seed)
        self._orders = 0
        self._steps = 0

    def begin(self) -> None:
        self._test.market.offers([(SELLERS[number % 3], f"k{number}") for number in range(SKUS)])
        for number in range(SKUS):
            self._test.move("receipt", SELLERS[number % 3], f"k{number}", 30, f"begin-{number}", answered=False)

    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self._steps += 1
            self._step(self._chance.random())

    def _step(self, dice: float) -> None:
        test, chance, step = self._test, self._chance, self._steps
        sku = chance.randrange(SKUS)
        if dice < 0.12 and self._orders:
            test.cancel(f"o{chance.randrange(self._orders)}", event_id=f"x{step}", answered=False)
        elif dice < 0.30:
            test.move("receipt", SELLERS[sku % 3], f"k{sku}", chance.randint(1, 9), f"r{step}", answered=False)
        elif dice < 0.33:
            test.move("count", SELLERS[sku % 3], f"k{sku}", chance.randint(5, 40), f"n{step}", answered=False)
        else:
            skus = chance.sample(range(SKUS), chance.randint(1, 4))
            data = test.cart_data(f"o{self._orders}", [(f"l{one}", f"k{one}", chance.randint(1, 3)) for one in skus],
                                  policy=chance.choice(("all_or_nothing", "partial", "hold")))
            for copy in range(chance.choice((1, 1, 2))):
                test.send_cart(data, f"{data['order_id']}/{copy}", answered=False)
            self._orders += 1


class KillTest(MarketTest):
    workers = {"reserver": 2, "splitter": 2, "router": 2}

    def run_with_deaths_of(self, names: tuple[str, ...], deaths: int, seed: int) -> None:
        """Kills one after the other while the trade goes on; each has work in hand when it dies."""
        trade, chance = Trade(self, seed), random.Random(seed + 1)
        trade.begin()
        for number in range(deaths):
            trade.go_on(chance.randint(60, 120))
            victim = chance.choice(self.fleet.named(names[number % len(names)]))
            victim.kill()
            trade.go_on(chance.randint(0, 60))
            victim.start()
        trade.go_on(60)
        self.assert_promises()

    def test_reservers_die(self):
        self.run_with_deaths_of(("reserver",), 8, seed=1)

    def test_splitters_die(self):
        self.run_with_deaths_of(("splitter",), 8, seed=2)

    def test_routers_die(self):
        self.run_with_deaths_of(("router",), 8, seed=3)

    def test_all_of_them_die_at_once(self):
        trade = Trade(self, seed=4)
        trade.begin()
        for _ in range(3):
            trade.go_on(200)
            workers = self.fleet.running()
            for worker in workers:
                worker.kill()
            trade.go_on(50)
            for worker in workers:
                worker.launch()
            for worker in workers:
                worker.wait_ready()
        self.assert_promises()


class BrokerTest(MarketTest):
    workers = {"reserver": 2, "splitter": 1, "router": 2}

    def test_the_broker_dies_under_load(self):
        trade = Trade(self, seed=5)
        trade.begin()
        trade.go_on(400)
        self.market.kill_broker()
        trade.go_on(300)
        self.environment.servers.rabbitmq.start()
        self.market.reconnect()
        trade.go_on(100)
        self.assert_promises()

    def test_the_database_dies_under_load(self):
        trade = Trade(self, seed=6)
        trade.begin()
        trade.go_on(400)
        self.environment.servers.postgres.kill()
        trade.go_on(200)
        self.environment.servers.postgres.start()
        trade.go_on(100)
        self.assert_promises()


class FillTest(MarketTest):
    workers = {"reserver": 1}

    def test_a_filled_order_is_announced_though_its_worker_died_between_commit_and_publish(self):
        self.market.offer("s1", "A")
        self.assertEqual("pending", self.outcome(self.cart("o1", [("1", "A", 2)], policy="hold")))
        reserver, = self.fleet.named("reserver")
        locker = self.environment.postgres()
        locker.autocommit = False
        with locker.cursor() as cursor:
            cursor.execute("SELECT FROM orders WHERE order_id = 'o1' FOR UPDATE")
            self.assertEqual("applied", self.outcome(self.move("receipt", "s1", "A", 2)))
            wait_for(lambda: self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"),
                     what="the fill to wait")
            self.market.kill_broker()
        locker.commit()
        self.wait_for_state("o1", "ready")
        reserver.kill()
        self.environment.servers.rabbitmq.start()
        self.market.reconnect()
        self.fleet.kill()
        self.fleet.start_all({"reserver": 1, "splitter": 1, "router": 1})
        self.market.evidence.publications[0].reply_to = None  # answers are best effort; the first one came
        self.assert_promises()
        self.assertEqual(["o1"], [one.order_id for one in self.market.evidence.arrivals])


if __name__ == "__main__":
    unittest.main()
