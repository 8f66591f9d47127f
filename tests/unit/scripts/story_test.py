"""What the demonstration tells of sellers with endpoints: from rows made up here."""

import unittest

from lib.demonstration.story import Happened, story, waits
from lib.evidence import Arrival, Call, Evidence, Switch

SELLERS = {role: f"seller-{role}" for role in ("own", "busy", "slow", "mortal", "gone", "picky", "moved")}


class StoryTest(unittest.TestCase):
    def setUp(self):
        self.evidence = Evidence()
        self.at_s = 100.0

    def arrive(self, role: str, number: int, queue: str) -> Arrival:
        one = Arrival(queue, f"{SELLERS[role]}/main/{number}", SELLERS[role], "main", number, "order", "o", "digest", 1, 1, True,
                      (), self.at_s)
        self.evidence.arrivals.append(one)
        return one

    def call(self, role: str, number: int, status: int = 204) -> None:
        self.at_s += 1.5
        taken = self.arrive(role, number, f"endpoint:{role}") if status == 204 else None
        self.evidence.calls.append(Call(role, f"{SELLERS[role]}/main/{number}", status, True, self.at_s, SELLERS[role],
                                        "main", number, "digest", taken))

    def told(self, role: str, happened: Happened | None = None) -> str:
        found = [line.text for line in story(SELLERS, self.evidence, happened or Happened()) if line.seller_id == SELLERS[role]]
        self.assertEqual(1, len(found))
        return found[0]

    def test_nothing_is_told_of_who_got_nothing(self):
        self.assertEqual([], story(SELLERS, self.evidence, Happened()))

    def test_a_queue_of_its_own(self):
        self.arrive("own", 1, "seller.seller-own")
        self.assertEqual("1 message in seller.seller-own", self.told("own"))

    def test_busy(self):
        for status in (204, 503, 503, 204):
            self.call("busy", 1 if not self.evidence.arrivals else 2, status)
        self.assertEqual("503 twice, called again after 1.5 s or more; took 2 messages", self.told("busy"))
        self.assertEqual([1.5, 1.5], waits(self.evidence.calls))

    def test_busy_and_nobody_saw_it(self):
        self.call("busy", 1)
        self.assertEqual("took 1 message", self.told("busy"))

    def test_slow(self):
        for number in (1, 1, 2):
            self.call("slow", number)
        self.assertEqual("answered too late once, got the same bytes again; took 2 messages", self.told("slow"))

    def test_dead_and_back(self):
        self.call("mortal", 1)
        happened = Happened(died_at=self.at_s + 0.5, returned_at=self.at_s + 4.5)
        self.at_s += 10
        self.call("mortal", 2)
        self.call("mortal", 3)
        self.assertEqual("nobody listened for 4.0 s; took 1 message before, 2 after", self.told("mortal", happened))

    def test_gone(self):
        self.call("gone", 1)
        self.call("gone", 2, 410)
        self.call("gone", 2)
        self.assertEqual("410 at number 2, not called until it was resumed by command; took 2 messages",
                         self.told("gone", Happened(resumed=True)))

    def test_refused_for_good(self):
        self.call("picky", 1, 422)
        self.evidence.voided.append((SELLERS["picky"], "main", 1, "{}"))
        self.call("picky", 1)
        self.assertEqual("422 at number 1, number 1 was voided by command; took 1 message", self.told("picky"))

    def test_moved(self):
        for number in (1, 2):
            self.arrive("moved", number, "sellers.03")
        self.assertEqual("2 messages through the shared queues, none since the rules changed", self.told("moved"))
        self.evidence.switches.append(Switch(SELLERS["moved"], "main", 3, "shared", "moved", "rules 1", None))
        self.call("moved", 3)
        self.assertEqual("2 messages through the shared queues, from number 3 on 1 to its endpoint", self.told("moved"))

    def test_rules(self):
        last = story(SELLERS, self.evidence, Happened(refused_by=4))[-1]
        self.assertEqual("rules changed", last.what)
        self.assertIn("refused by 4 replicas", last.text)


if __name__ == "__main__":
    unittest.main()
