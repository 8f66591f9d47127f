"""What was given back again and again because connections were cut is suspected, and done soon all the same."""

import unittest

from environment import wait_for
from market import MarketTest

MESSAGES = 200
DEATHS_MAX = 5  # the default of limits.deaths_max
FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON orders EXECUTE FUNCTION no_room();
"""


class GivenBackTest(MarketTest):
    workers = {}

    def give_back(self, queue: str, messages: int) -> None:
        """As a connection does that is cut with everything in hand."""
        connection = self.environment.amqp()
        channel = connection.channel()
        for _ in range(messages):
            wait_for(lambda: channel.basic_get(queue)[0] is not None, what="a message")
        connection.close()
        wait_for(lambda: self.environment.depth(queue) == messages, what="all to be given back")

    def syncs(self) -> int:
        return self.market.one("SELECT wal_sync FROM pg_stat_wal")

    def prepare(self, poison: int = -1, messages: int = MESSAGES):
        """Carts that were given back twice, and a reserver that does not run."""
        reserver, = self.fleet.start("reserver")
        for number in range(10):
            self.sell("s1", f"k{number}", 1000)
        self.sell("s1", "P", 5)
        reserver.stop()
        sent = [self.cart(f"o{number}", [("1", "P" if number == poison else f"k{number % 10}", 1)])
                for number in range(messages)]
        self.market.flush()
        for _ in range(2):
            self.give_back("reserver.carts", messages)
        return reserver, sent

    def assert_done(self, sent: list[str]) -> None:
        self.assertEqual({"ready"}, {self.outcome(one) for one in sent})
        wait_for(lambda: self.market.one("SELECT count(*) FROM attempt") == 0, what="the attempts to be forgotten")

    def test_as_many_at_once_as_ever(self):
        """The first alone, because the process may die of it; then the others together."""
        reserver, sent = self.prepare()
        reserver.start()
        self.assert_done(sent)
        batches = reserver.metrics().total("cartwright_batch_events_count", lane="carts")
        self.assertLess(batches, MESSAGES / 5)

    def test_nobody_waits_for_the_disk_to_learn_of_each_attempt(self):
        """An attempt has to outlive the process that may die of it, not the database."""
        reserver, sent = self.prepare()
        # A process died over each of them: they run alone.
        with self.environment.postgres().cursor() as cursor:
            cursor.execute("INSERT INTO attempt (worker, message_key, deaths) "
                           "SELECT 'reserver', 'suspect:o' || number || '/submitted', 1 "
                           "FROM generate_series(0, %s) AS number", (MESSAGES,))
        before = self.syncs()
        reserver.start()
        self.assertEqual({"ready"}, {self.outcome(one) for one in sent})
        self.assertGreaterEqual(reserver.metrics().total("cartwright_batch_events_count", lane="carts"), MESSAGES)
        reserver.stop()
        # One a cart; with those of the beginning and the end of each attempt they were more than four.
        self.assertLess(self.syncs() - before, 3 * MESSAGES)

    def test_who_waits_for_a_server_does_not_die_of_what_it_has_in_hand(self):
        """Killed again and again while the database has no room: nobody takes them for poison."""
        # What is given back goes behind all others that were: a few, and each is in hand again and again.
        reserver, sent = self.prepare(messages=2)
        with self.environment.postgres().cursor() as cursor:
            cursor.execute(FULL)
            self.addCleanup(self.market.one, "DROP FUNCTION IF EXISTS no_room() CASCADE; SELECT 1")
            for _ in range(3 * DEATHS_MAX):
                reserver.launch()
                wait_for(lambda: "lane carts is paused" in reserver.health()[1], what="the carts to wait")
                reserver.kill()
            cursor.execute("DROP FUNCTION no_room() CASCADE")
        reserver.start()
        self.assert_done(sent)
        self.assertEqual([], self.market.collect_parked())

    def test_poison_among_them_is_found(self):
        """It takes its neighbours with it once; from then on each is tried alone, and only it is parked."""
        reserver, sent = self.prepare(poison=MESSAGES // 2)
        locker = self.environment.postgres()
        locker.autocommit = False
        locker.cursor().execute("SELECT FROM stock_position WHERE sku = 'P' FOR UPDATE")
        for _ in range(DEATHS_MAX + 1):
            reserver.launch()
            wait_for(lambda: self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), what="it to hang")
            reserver.kill()
            self.environment.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            wait_for(lambda: not self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), what="its end")
        reserver.start()
        type_, data = self.market.answer(sent.pop(MESSAGES // 2))
        locker.rollback()
        self.assertEqual(("message.parked", "poison"), (type_, data["reason"]))
        self.assert_done(sent)
        self.assertEqual(1, len(self.market.collect_parked(at_least=1)))


if __name__ == "__main__":
    unittest.main()
