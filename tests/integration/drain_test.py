"""SIGTERM under load: every worker finishes what it has, exits 0, and nothing is done twice because of it."""

import unittest

from market import MarketTest


class DrainTest(MarketTest):
    workers = {"reserver": 2, "splitter": 2, "router": 2}

    def test_under_load(self):
        for number in range(30):
            self.sell(f"s{number % 3 + 1}", f"k{number}", 1000)
        sent = []
        workers = self.fleet.running()
        for turn, worker in enumerate(workers):
            for number in range(150):
                order_id = f"o{turn}-{number}"
                sent.append(self.cart(order_id, [("1", f"k{number % 30}", 1), ("2", f"k{(number + 7) % 30}", 1)]))
            worker.stop()
            self.assertEqual(0, worker.exit_status, worker.label)
            worker.start()
        self.assert_promises()
        self.assertEqual(len(sent), self.states()["ready"])
        arrivals = [one.message_id for one in self.market.evidence.arrivals]
        self.assertEqual(len(set(arrivals)), len(arrivals), "sellers got a message twice")
        again = {one: len(self.market.answers[one]) for one in sent if len(self.market.answers[one]) != 1}
        self.assertEqual({}, again, "carts that were answered not exactly once")

    def test_the_whole_fleet_and_back(self):
        for number in range(30):
            self.sell(f"s{number % 3 + 1}", f"k{number}", 1000)
        for number in range(600):
            self.cart(f"o{number}", [("1", f"k{number % 30}", 1)])
        self.fleet.stop()
        self.fleet.start_all(self.workers)
        self.assert_promises()
        arrivals = [one.message_id for one in self.market.evidence.arrivals]
        self.assertEqual(600, len(arrivals))

    def test_an_idle_worker_says_goodbye(self):
        for worker in self.fleet.running():
            worker.stop()
            self.assertEqual(0, worker.exit_status, worker.label)


if __name__ == "__main__":
    unittest.main()
