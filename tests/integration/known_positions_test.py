"""What the reserver remembers of positions with plenty of stock misleads it in nothing."""

import unittest

from environment import wait_for
from lib.fleet import with_settings
from market import MarketTest


class KnownPositionsTest(MarketTest):
    def setUp(self):
        super().setUp()
        self.sell("s1", "A", 1000)
        self.sell("s2", "B", 1000)
        self.assertEqual("ready", self.outcome(self.cart("first", [("1", "A", 1), ("2", "B", 1)])))  # both are remembered

    def adjust(self, quantity: int, event_id: str) -> None:
        """By the lane of movements: that of carts hears nothing of it."""
        sent = self.move("adjustment", "s1", "A", quantity, event_id=event_id, reason="counted wrong")
        self.assertEqual("applied", self.outcome(sent))

    def test_what_has_gone_is_not_sold_and_what_came_back_is(self):
        self.adjust(-998, "a1")
        self.assertEqual("ready", self.outcome(self.cart("last", [("1", "A", 1)])))
        self.assertEqual("rejected", self.outcome(self.cart("too-late", [("1", "A", 1), ("2", "B", 1)])))
        self.assertEqual((2, 2, 0), self.position("s1", "A"))
        self.adjust(500, "a2")
        self.assertEqual("ready", self.outcome(self.cart("again", [("1", "A", 400), ("2", "B", 1)])))
        self.assertEqual((502, 402, 0), self.position("s1", "A"))
        self.assert_promises()

    def test_many_at_once_share_what_is_really_left(self):
        self.adjust(-980, "a1")
        sent = [self.cart(f"o{number}", [("1", "A", 1), ("2", "B", 1)]) for number in range(60)]
        outcomes = [self.outcome(one) for one in sent]
        self.assertEqual((19, 41), (outcomes.count("ready"), outcomes.count("rejected")))
        self.assertEqual((20, 20, 0), self.position("s1", "A"))
        self.assert_promises()

    def remember_for(self, age_max_ms: int) -> None:
        """Begins with a reserver that knows nothing yet and remembers for so long."""
        config = self.environment.servers.run.path / "memory.yaml"
        config.write_text(with_settings(r"^reserver:\n", f"reserver:\n  known_positions_age_max_ms: {age_max_ms}\n"))
        self.addCleanup(config.unlink)
        self.addCleanup(setattr, self.fleet, "config", self.fleet.config)
        self.fleet.stop()
        self.fleet.config = config
        self.fleet.start_all({"reserver": 1, "splitter": 1, "router": 1})

    def test_what_is_short_only_because_the_memory_was_wrong_is_decided_at_once(self):
        # The plan sells 995 of the 998 that are remembered and has no 4 left. Of the 4 that are really there the
        # second cart gets its 4, and with them the 10 of C that the plan gave to the third.
        self.remember_for(60_000)
        self.sell("s3", "C", 10)
        self.assertEqual("ready", self.outcome(self.cart("second", [("1", "A", 1)])))
        self.adjust(-994, "a1")
        locker = self.environment.postgres()
        locker.autocommit = False
        with locker.cursor() as cursor:
            cursor.execute("SELECT FROM stock_position WHERE sku = 'B' FOR UPDATE")
        sent = [self.cart("blocker", [("1", "B", 1)])]
        wait_for(lambda: self.market.one("SELECT count(*) FROM pg_locks WHERE NOT granted"), what="the blocker to wait")
        sent += [self.cart("too-much", [("1", "A", 995)]), self.cart("fits", [("1", "A", 4), ("2", "C", 10)]),
                 self.cart("loses", [("1", "C", 5)])]
        self.market.flush()
        locker.commit()
        self.assertEqual(["ready", "rejected", "ready", "rejected"], [self.outcome(one) for one in sent])
        self.assert_promises()

    def test_a_new_warehouse_is_seen_when_the_memory_is_old(self):
        self.remember_for(200)
        self.assertEqual("applied", self.outcome(self.move("receipt", "s1", "A", 50, warehouse="annex")))
        numbers = iter(range(10_000))

        def from_the_annex() -> bool:
            self.outcome(self.cart(f"o{next(numbers)}", [("1", "A", 1)]))
            return self.position("s1", "A", "annex")[1] > 0
        wait_for(from_the_annex, what="the warehouse that comes first by name to serve")
        self.assert_promises()

    def test_a_position_that_somebody_removed_ends_no_reserver(self):
        self.environment.rows("DELETE FROM stock_position WHERE seller_id = 's1' RETURNING 1")
        self.assertEqual("rejected", self.outcome(self.cart("o1", [("1", "A", 1), ("2", "B", 1)])))
        self.assertEqual("ready", self.outcome(self.cart("o2", [("1", "B", 1)])))


if __name__ == "__main__":
    unittest.main()
