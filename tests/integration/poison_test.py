"""A message over which the process dies again and again is parked; its neighbours go through."""

import unittest

import pika

from bad_input import CART, raw
from environment import wait_for
from lib.messages import encode
from market import MarketTest, envelope

DEATHS_MAX = 5  # the default of limits.deaths_max


class PoisonCase(MarketTest):
    """Whatever touches a locked row hangs; there the worker is killed, again and again."""

    worker = "reserver"
    row = "stock_position WHERE sku = 'P'"  # that hangs whoever touches it

    def setUp(self):
        super().setUp()
        self.locker = self.environment.postgres()
        self.locker.autocommit = False
        self.victim, = self.fleet.named(self.worker)

    def lock_poison(self) -> None:
        """From now on whoever touches the row hangs, until `unlock_poison`."""
        self.locker.cursor().execute(f"SELECT FROM {self.row} FOR UPDATE")

    def unlock_poison(self) -> None:
        self.locker.rollback()

    def die_over_it(self) -> None:
        """Waits until the worker hangs over the locked row and kills it there."""
        wait_for(lambda: self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"),
                 what="the worker to hang")
        self.victim.kill()
        wait_for(lambda: not self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted")
                 or self._end_waiters(),
                 what="its transaction to end")

    def _end_waiters(self) -> bool:
        self.environment.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        return False

    def deaths(self) -> dict[str, int]:
        return dict(self.environment.rows("SELECT message_key, deaths FROM attempt WHERE worker = %s",
                                          (self.worker,)))

    def die_to_the_limit(self, key: str) -> None:
        """Until the worker died so often over what has this key that it tries no more; it is not started."""
        for _ in range(30):
            self.die_over_it()
            if max((count for each, count in self.deaths().items() if key in each), default=0) >= DEATHS_MAX:
                return
            self.victim.start()
        self.fail(f"no end of dying over {key}: {self.deaths()}")


class PoisonTest(PoisonCase):
    workers = {"reserver": 1}

    def setUp(self):
        super().setUp()
        for sku in ("P", "G"):
            self.sell("s1", sku, 100)

    def good(self, count: int = 20) -> list[str]:
        return [self.cart(f"good{number}", [("1", "G", 1)]) for number in range(count)]

    def test_only_the_poison_is_parked(self):
        self.lock_poison()
        poison = self.cart("bad", [("1", "P", 1)], event_id="poison")
        good = self.good()
        self.die_to_the_limit("event:poison")
        self.unlock_poison()
        self.victim.start()
        type_, data = self.market.answer(poison)
        self.assertEqual(("message.parked", "poison"), (type_, data["reason"]))
        self.assertEqual({"ready"}, {self.outcome(one) for one in good})
        parked, = self.market.collect_parked(at_least=1)
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
            self.victim.start()
        self.unlock_poison()
        self.assertEqual("ready", self.outcome(suspect))
        self.assertEqual({"ready"}, {self.outcome(one) for one in good})
        self.assertEqual([], self.market.collect_parked())
        wait_for(lambda: not self.deaths(), what="the attempts to be forgotten")

    def test_a_message_id_that_is_no_text_is_no_poison_itself(self):
        """What a process died over is written down by its message id, which may be any bytes."""
        ids = (b"\xff\xfe", "a\0b", b"\xed\xa0\x80" * 85)
        self.lock_poison()
        suspects = [self.market.send(raw(encode(envelope(type=CART, id=f"e{number}", data=self.cart_data(
            f"bad{number}", [("1", "P", 1)]))), message_id=id_), "fault", "", None) for number,
            id_ in enumerate(ids)]
        good = self.good()
        for _ in range(3):
            self.die_over_it()
            self.victim.start()
        self.unlock_poison()
        for correlation_id in suspects + good:
            self.assertEqual("ready", self.outcome(correlation_id))
        wait_for(lambda: not self.deaths(), what="the attempts to be forgotten")

    def test_the_parked_poison_can_be_replayed(self):
        self.lock_poison()
        poison = self.cart("bad", [("1", "P", 1)], event_id="poison")
        for _ in range(3):
            self.die_over_it()
            with self.environment.postgres().cursor() as cursor:
                for key in ("message:poison", "event:poison"):
                    cursor.execute("INSERT INTO attempt (worker, message_key, deaths) "
                                   "VALUES ('reserver', %s, %s) "
                                   "ON CONFLICT (worker, message_key) DO UPDATE SET deaths = excluded.deaths",
                                   (key, DEATHS_MAX))
            self.victim.start()
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


class InnerPoisonCase(PoisonCase):
    """Seller s2's row is locked, s1's are not; one event among those of a message is the poison."""

    def setUp(self):
        super().setUp()
        for seller_id, sku in (("s1", "G"), ("s2", "P")):
            self.sell(seller_id, sku, 100)
            self.cart(f"first-{seller_id}", [("1", sku, 1)])
        wait_for(lambda: len(self.market.collect_arrivals()) == 2, what="the first orders to arrive")

    def send_poison(self) -> None:
        """Among good ones, so that they share batches."""
        for number in range(20):
            if number == 7:
                self.cart("bad", [("1", "P", 1)])
            self.cart(f"good{number}", [("1", "G", 1)])
        self.wait_for_orders(23)

    def arrived(self) -> set[str]:
        return {one.order_id for one in self.market.collect_arrivals()}

    def assert_good_ones_arrive(self) -> None:
        good = {f"good{number}" for number in range(20)}
        wait_for(lambda: good <= self.arrived(), what="the good ones to arrive")


class SplitterPoisonTest(InnerPoisonCase):
    worker = "splitter"
    row = "seller_stream WHERE seller_id = 's2'"

    def test_only_the_poison_is_parked_and_can_be_replayed(self):
        self.lock_poison()
        self.send_poison()
        self.die_to_the_limit("event:bad/ready")
        self.victim.start()  # the row is still locked: nobody touches it any more
        self.assert_good_ones_arrive()
        parked, = self.market.collect_parked(at_least=1)
        self.assertEqual(("bad/ready", "poison", "splitter"),
                         (parked.message_id, parked.reason, parked.headers["x-parked-worker"]))
        self.assertNotIn("bad", self.arrived())
        self.unlock_poison()
        self.give_back(parked)
        self.environment.cartwright("parked", "replay", "bad/ready")
        wait_for(lambda: "bad" in self.arrived(), what="the replayed order to arrive")
        self.market.evidence.parked.clear()
        self.assert_promises()
        self.assertEqual({}, self.deaths())

    def give_back(self, parked) -> None:
        """Into parking, where it was read from."""
        self.market.channel.basic_publish("parking", "splitter", parked.body, pika.BasicProperties(
            message_id=parked.message_id, type=parked.type, content_type=parked.content_type,
            headers=parked.headers))


class RouterPoisonTest(InnerPoisonCase):
    worker = "router"
    row = "seller_delivery WHERE seller_id = 's2'"

    def test_only_the_doorbell_is_parked_and_its_message_arrives(self):
        """The message itself is in the database: the next number, or the sweep, brings it along."""
        self.lock_poison()
        self.send_poison()
        self.die_to_the_limit("event:s2/main/2")
        self.victim.start()
        self.assert_good_ones_arrive()
        parked, = self.market.collect_parked(at_least=1)
        self.assertEqual(("s2/main/2", "poison", "router"),
                         (parked.message_id, parked.reason, parked.headers["x-parked-worker"]))
        self.assertNotIn("bad", self.arrived())
        self.unlock_poison()
        self.cart("next", [("1", "P", 1)])
        wait_for(lambda: {"bad", "next"} <= self.arrived(), what="both to arrive")
        numbers = [one.number for one in self.market.evidence.arrivals if one.seller_id == "s2"]
        self.assertEqual([1, 2, 3], numbers)
        self.market.evidence.parked.clear()
        self.assert_promises()
        self.assertEqual({}, self.deaths())


if __name__ == "__main__":
    unittest.main()
