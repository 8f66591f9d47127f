"""Movements that come in a stream are done in batches; a drain does not wait for more of them."""

import unittest

from environment import wait_for
from gate import Gate
from market import MarketTest

GATHER_MS = 10_000  # the most that may be configured: whoever waits for all of it is seen


class GatheringTest(MarketTest):
    workers = {}

    def setUp(self):
        super().setUp()
        config = self.environment.servers.run.path / "gathering.yaml"
        config.write_text(f"reserver: {{movements: {{events_max: 3}}, movements_gather_ms: {GATHER_MS}}}\n")
        self.gate = Gate(self.environment.servers.urls["AMQP_URL"])
        self.addCleanup(self.gate.close)
        self.addCleanup(self.fleet.environment.clear)
        self.fleet.environment["AMQP_URL"] = self.gate.url
        self.reserver, = self.fleet.start("reserver", config=config)
        self.market.offer("s1", "A")
        self.first = self.receive()
        self.assertEqual("applied", self.outcome(self.first))  # one alone does not wait for others

    def receive(self) -> str:
        return self.move("receipt", "s1", "A", 1)

    def let_two_wait(self) -> list[str]:
        """Behind one that waits for a lock until both are there; returns when it is done."""
        locker = self.environment.postgres()
        locker.autocommit = False
        locker.cursor().execute("SELECT FROM stock_position WHERE sku = 'A' FOR UPDATE")
        blocked = self.receive()
        wait_for(lambda: self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), what="one to wait")
        waiting = [self.receive(), self.receive()]
        wait_for(lambda: self.gauge("cartwright_unacknowledged") == 3, what="all to be delivered")
        locker.rollback()
        self.assertEqual("applied", self.outcome(blocked))
        return waiting

    def gauge(self, name: str, **labels: str) -> float:
        return self.fleet.metrics("reserver").total(name, **labels)

    def test_several_wait_until_the_batch_is_full(self):
        waiting = self.let_two_wait()
        waiting.append(self.receive())
        self.assertEqual({"applied"}, {self.outcome(one) for one in waiting})
        self.assertEqual((5, 3), tuple(self.gauge(f"cartwright_batch_events_{what}", lane="movements")
                                       for what in ("sum", "count")))

    def test_what_waited_when_the_connection_was_cut_comes_again_and_acts_once(self):
        """It is not handled from memory: its acknowledgement would be of a channel that is gone."""
        waiting = self.let_two_wait()
        wait_for(lambda: self.gauge("cartwright_unacknowledged") == 2, what="both to wait for a third")
        self.gate.cut()
        waiting.append(self.receive())
        self.assertEqual({"applied"}, {self.outcome(one) for one in waiting})
        self.assertEqual((5, 0, 0), self.position("s1", "A"))

    def test_a_drain_does_not_wait_for_more(self):
        waiting = self.let_two_wait()
        self.reserver.stop(timeout_s=GATHER_MS / 1000 - 2)
        self.assertEqual({"applied"}, {self.outcome(one) for one in waiting})
        self.assertEqual((4, 0, 0), self.position("s1", "A"))


if __name__ == "__main__":
    unittest.main()
