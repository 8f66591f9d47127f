"""Somebody locks a table for long: the workers wait, are not taken for stuck, and go on."""

import unittest

from environment import wait_for
from gate import Gate
from market import MarketTest

# Of the workers' role: lock_timeout 10 s. The batch is tried again after each.
STUCK_AFTER_MS = 15_000


class LongLockTest(MarketTest):
    workers = {}

    def start_reserver(self):
        config = self.environment.servers.run.path / "long-lock.yaml"
        config.write_text(f"limits: {{stuck_after_ms: {STUCK_AFTER_MS}}}\npostgres: {{deadlock_retries_max: 0}}\n")
        reserver, = self.fleet.start("reserver", config=config)
        return reserver

    def lock_positions(self):
        locker = self.environment.postgres()
        locker.autocommit = False
        locker.cursor().execute("LOCK TABLE stock_position IN EXCLUSIVE MODE")
        return locker

    def test_who_waits_for_a_lock_is_not_stuck(self):
        """Else it is killed again and again, and what it had in hand is taken for poison."""
        reserver = self.start_reserver()
        self.sell("s1", "A", 5)
        locker = self.lock_positions()
        sent = self.cart("o1", [("1", "A", 2)])

        def tried_twice_or_stuck() -> bool:
            again = [line for line in reserver.log_lines() if line["event"] == "batch_again"]
            return len(again) >= 2 or reserver.health("live")[0] != 200

        wait_for(tried_twice_or_stuck, 60, "the batch to be tried again")
        self.assertEqual((200, "ok\n"), reserver.health("live"))
        locker.rollback()
        self.assertEqual("ready", self.outcome(sent))
        self.assertEqual((5, 2, 0), self.position("s1", "A"))

    def test_who_waits_for_a_lock_does_not_wait_for_a_server_any_more(self):
        """Else readiness names a server that is there, for as long as the lock is held."""
        with Gate(self.environment.servers.urls["POSTGRES_URL"]) as gate:
            self.fleet.environment["POSTGRES_URL"] = gate.url
            self.addCleanup(self.fleet.environment.clear)
            reserver = self.start_reserver()
            self.sell("s1", "A", 5)
            locker = self.lock_positions()
            gate.refuse()
            gate.cut()
            sent = self.cart("o1", [("1", "A", 2)])
            wait_for(lambda: "carts is paused: PostgreSQL" in reserver.health()[1], what="the lane to pause")
            gate.go_on()
            reserver.wait_ready()
            self.assertNotIn("later", [line["event"] for line in reserver.log_lines()], "it gave the cart up")
            locker.rollback()
            self.assertEqual("ready", self.outcome(sent))
            self.fleet.stop()


if __name__ == "__main__":
    unittest.main()
