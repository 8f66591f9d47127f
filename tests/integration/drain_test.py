"""SIGTERM under load: every worker finishes what it has, exits 0, and nothing is done twice because of it."""

import unittest

from environment import wait_for
from gate import Gate
from market import MarketTest


def said(worker) -> list[str]:
    return [line["event"] for line in worker.log_lines()]


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

    def test_who_could_not_publish_yet_says_goodbye(self):
        """It asks the broker for its topology over a first connection; those to publish and to consume follow."""
        self.fleet.stop()
        with Gate(self.environment.servers.urls["AMQP_URL"]) as gate:
            self.addCleanup(self.fleet.environment.clear)
            self.fleet.environment["AMQP_URL"] = gate.url
            gate.admit(1)
            reserver = self.fleet.add("reserver")
            reserver.launch()
            wait_for(lambda: "publisher_not_connected" in said(reserver), what="the publisher to be refused")
            reserver.stop(timeout_s=3)
            self.assertEqual(0, reserver.exit_status)
            self.assertIn("drained", said(reserver))

    def test_the_deadline_holds_for_who_waits_for_a_lock(self):
        """What the lane had in hand is left to the broker, which gives it to the next."""
        self.sell("s1", "A", 5)
        self.fleet.stop()
        config = self.environment.servers.run.path / "drain.yaml"
        config.write_text("limits: {drain_deadline_ms: 1000}\n")
        reserver, = self.fleet.start("reserver", config=config)
        locker = self.environment.postgres()
        locker.autocommit = False
        locker.cursor().execute("SELECT FROM stock_position FOR UPDATE")
        sent = self.cart("o1", [("1", "A", 2)])
        wait_for(lambda: self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), what="the reserver to wait")
        reserver.terminate()
        self.assertEqual(1, reserver.wait_exit(5))
        locker.rollback()
        reserver.start()
        self.assertEqual("ready", self.outcome(sent))
        self.assertEqual((5, 2, 0), self.position("s1", "A"))


if __name__ == "__main__":
    unittest.main()
