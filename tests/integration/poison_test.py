"""A message over which the process dies again and again is parked; its neighbours go through."""

import unittest

from environment import wait_for
from market import MarketTest

DEATHS_MAX = 5  # the default of limits.deaths_max


class PoisonTest(MarketTest):
    workers = {"reserver": 1}

    def setUp(self):
        super().setUp()
        for sku in ("P", "G"):
            self.sell("s1", sku, 100)
        self.reserver, = self.fleet.named("reserver")
        self.locker = self.environment.postgres()
        self.locker.autocommit = False

    def lock_poison(self) -> None:
        """From now on whoever touches the position of SKU P hangs, until `unlock_poison`."""
        self.locker.cursor().execute("SELECT FROM stock_position WHERE sku = 'P' FOR UPDATE")

    def unlock_poison(self) -> None:
        self.locker.rollback()

    def die_over_it(self) -> None:
        """Waits until the reserver hangs over the locked position and kills it there."""
        wait_for(lambda: self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), what="the reserver to hang")
        self.reserver.kill()
        wait_for(lambda: not self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted") or self._end_waiters(),
                 what="its transaction to end")

    def _end_waiters(self) -> bool:
        self.environment.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        return False

    def deaths(self) -> dict[str, int]:
        return dict(self.environment.rows("SELECT message_key, deaths FROM attempt WHERE worker = 'reserver'"))

    def good(self, count: int = 20) -> list[str]:
        return [self.cart(f"good{number}", [("1", "G", 1)]) for number in range(count)]

    def test_only_the_poison_is_parked(self):
        self.lock_poison()
        poison = self.cart("bad", [("1", "P", 1)], event_id="poison")
        good = self.good()
        for _ in range(30):
            self.die_over_it()
            died = max((count for key, count in self.deaths().items() if "poison" in key), default=0)
            if died >= DEATHS_MAX:
                break
            self.reserver.start()
        self.unlock_poison()
        self.reserver.start()
        type_, data = self.market.answer(poison)
        self.assertEqual(("message.parked", "poison"), (type_, data["reason"]))
        self.assertEqual({"ready"}, {self.outcome(one) for one in good})
        parked, = self.market.collect_parked()
        self.assertEqual(("poison", "poison"), (parked.message_id, parked.reason))
        self.assertEqual((100, 0, 0), self.position("s1", "P"))
        self.assertEqual((100, 20, 0), self.position("s1", "G"))
        wait_for(lambda: not self.deaths(), what="the attempts to be forgotten")

    def test_a_few_deaths_are_forgiven(self):
        """One that died over often, but not too often, is handled, and no attempt is left behind."""
        self.lock_poison()
        suspect = self.cart("bad", [("1", "P", 1)], event_id="suspect")
        good = self.good()
        for _ in range(4):
            self.die_over_it()
            self.reserver.start()
        self.unlock_poison()
        self.assertEqual("ready", self.outcome(suspect))
        self.assertEqual({"ready"}, {self.outcome(one) for one in good})
        self.assertEqual([], self.market.collect_parked())
        wait_for(lambda: not self.deaths(), what="the attempts to be forgotten")

    def test_the_parked_poison_can_be_replayed(self):
        self.lock_poison()
        poison = self.cart("bad", [("1", "P", 1)], event_id="poison")
        for _ in range(3):
            self.die_over_it()
            with self.environment.postgres().cursor() as cursor:
                for key in ("message:poison", "event:poison"):
                    cursor.execute("INSERT INTO attempt (worker, message_key, deaths) VALUES ('reserver', %s, %s) "
                                   "ON CONFLICT (worker, message_key) DO UPDATE SET deaths = excluded.deaths",
                                   (key, DEATHS_MAX))
            self.reserver.start()
            if self.parked_answer(poison):
                break
        self.unlock_poison()
        self.assertTrue(self.parked_answer(poison))
        self.environment.cartwright("parked", "replay", "--all")
        wait_for(lambda: self.state("bad") == "ready", what="the replayed cart to be reserved")
        self.assertEqual([], self.market.collect_parked())

    def parked_answer(self, correlation_id: str) -> bool:
        """Waits until the message is parked or hangs again."""
        def decided() -> str:
            self.market.collect_answers()
            if any(type_ == "message.parked" for type_, _ in self.market.answers[correlation_id]):
                return "parked"
            return "hangs" if self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted") else ""
        return wait_for(decided, what="the message to be parked or to hang") == "parked"


if __name__ == "__main__":
    unittest.main()
