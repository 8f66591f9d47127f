"""What was given back again and again because connections were cut is suspected, and done soon all the same."""

import unittest

from environment import wait_for
from market import MarketTest

MESSAGES = 200


class GivenBackTest(MarketTest):
    workers = {}

    def give_back(self, queue: str) -> None:
        """As a connection does that is cut with everything in hand."""
        connection = self.environment.amqp()
        channel = connection.channel()
        for _ in range(MESSAGES):
            wait_for(lambda: channel.basic_get(queue)[0] is not None, what="a message")
        connection.close()
        wait_for(lambda: self.environment.depth(queue) == MESSAGES, what="all to be given back")

    def syncs(self) -> int:
        return self.market.one("SELECT wal_sync FROM pg_stat_wal")

    def test_nobody_waits_for_the_disk_to_learn_of_each_attempt(self):
        """An attempt has to outlive the process that may die of it, not the database."""
        reserver, = self.fleet.start("reserver")
        for number in range(10):
            self.sell("s1", f"k{number}", 1000)
        reserver.stop()
        sent = [self.cart(f"o{number}", [("1", f"k{number % 10}", 1)]) for number in range(MESSAGES)]
        self.market.flush()
        for _ in range(2):
            self.give_back("reserver.carts")
        before = self.syncs()
        reserver.start()
        self.assertEqual({"ready"}, {self.outcome(one) for one in sent})
        reserver.stop()
        self.assertEqual(0, self.market.one("SELECT count(*) FROM attempt"))
        # One a cart; with those of the beginning and the end of each attempt they were more than four.
        self.assertLess(self.syncs() - before, 3 * MESSAGES)


if __name__ == "__main__":
    unittest.main()
