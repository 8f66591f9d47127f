"""What scripts/bench makes of what it measures."""

import contextlib
import io
import stat
import tempfile
import unittest
from pathlib import Path

from lib.bench import limits, page, parts, report, throughput, verify
from lib.bench.market import Market
from lib.bench.peer import Peer
from lib.bench.rig import Usage
from lib.console import Trouble


class Verification(unittest.TestCase):
    def compare(self, arrived: list[str]) -> list[str]:
        stored = {"s/main/1": b"\xaa", "s/main/2": b"\xbb", "t/main/1": b"\xcc"}
        return verify.compare((f"{line}\n" for line in arrived), stored)

    def test_what_is_stored_arrived_once_and_in_sequence(self):
        self.assertEqual([], self.compare(["s/main/1 aa", "t/main/1 cc", "s/main/2 bb"]))

    def test_what_is_wrong_is_named(self):
        for arrived, complaint in (
                (["s/main/1 aa", "s/main/2 bb"], "P7: 1 stored messages did not arrive, like t/main/1"),
                (["s/main/2 bb", "s/main/1 aa", "t/main/1 cc"], "P5: s/main/2 came after number 0"),
                (["s/main/1 aa", "s/main/2 dd"], "P2: 1 messages arrived that are not stored, like s/main/2"),
                (["s/main/3 aa"], "P2: 1 messages arrived that are not stored, like s/main/3"),
                (["s/main/1 aa", "s/main/1 aa"], "P2: 1 messages arrived more than once, like s/main/1")):
            with self.subTest(complaint):
                self.assertIn(complaint, "\n".join(self.compare(arrived)))


class Rounds(unittest.TestCase):
    """What is made of rounds in which the fleet, the comparator and the bare servers were measured in turn."""

    @staticmethod
    def one(rate: float, cpu: float, peer_rate: float, peer_cpu: float, ceiling: float) -> dict:
        return {"fleet": {"carts": 10, "messages": 20, "carts_per_s": rate, "carts_per_s_with_start": rate,
                          "cpu_ms_per_cart": {"reserver": cpu, "splitter": 0, "router": 0, "postgres": cpu},
                          "resident_mb": {"reserver": 30}, "written_kb_per_cart": {"postgres": 4}, "violations": []},
                "broker": 4, "sql": 4, "peer_sql": 4, "ceiling": ceiling,
                "peer": {"carts_per_s": peer_rate, "cpu_ms_per_cart": {"worker": peer_cpu}}}

    def test_ratios_are_of_one_round_and_the_median_counts(self):
        found = parts.summary([self.one(100, 1, 100, 4, 100), self.one(50, 2, 25, 5, 100),
                               self.one(300, 1, 100, 8, 200)])
        self.assertEqual((2.0, 1.0), (found["ratio_to_peer"], found["ratio_to_ceiling"]))
        self.assertEqual((0.5, 0.25), (found["cpu_ratio_to_peer"], found["workers_cpu_ratio_to_peer"]))
        self.assertEqual((2, 1), (found["cpu_ms"], found["workers_cpu_ms"]))
        self.assertEqual(100, found["fleet"]["carts_per_s"])

    def test_every_other_time_it_is_the_other_way_round(self):
        self.assertEqual(list("abccbaabc"), list(throughput.in_turn("abc", 3)))


class Pages(unittest.TestCase):
    RESULT = {"machine": {"cpus": 2, "model": "Some CPU", "memory_gb": 25}, "took_s": 4_800, "violations": [],
              "command": "scripts/bench --json /tmp/x.json --beside ../some/where --reps 5",
              "rates": {"fleet": {"carts_per_s": 9_000.4, "runs": [9_000], "resident_mb": {"reserver": 30},
                                  "cpu_ms_per_cart": {"reserver": 0.024, "splitter": 0.0061, "router": 0.1,
                                                      "postgres": 0.06},
                                  "written_kb_per_cart": {"postgres": 4}},
                        "broker_carts_per_s": 26_760, "sql_carts_per_s": 11_000, "ratio_to_ceiling": 0.9,
                        "workers_cpu_ms": 0.1301, "cpu_ms": 0.1901}}

    def test_what_more_carts_take_follows_from_the_cost_of_one(self):
        sizes = dict(page.sizes(self.RESULT))
        self.assertEqual([1, 1, 1, 7], sizes["reservers"])
        self.assertEqual([1, 1, 2, 17], sizes["routers"])
        self.assertEqual([0.01, 0.1, 1, 10], sizes["cores of postgres"])
        self.assertEqual([0.4, 4, 40, 400], sizes["MB/s that postgres writes"])
        self.assertEqual([1, 1, 1, 7], sizes["fleets, each with a queue for carts"])

    def test_the_cost_of_few_carts_is_measured_with_few(self):
        few = {"cpu_ms_per_cart": {"reserver": 0.3, "splitter": 0.1, "router": 0.1, "postgres": 0.6},
               "p50_ms": 5, "p99_ms": 10}
        for name in ("latency_200", "latency_1000"):
            self.assertEqual([0.1, 1, 1, 10], dict(page.sizes({**self.RESULT, name: few}))["cores of postgres"])
        dear = {**few, "cpu_ms_per_cart": {**few["cpu_ms_per_cart"], "postgres": 6}}
        both = {**self.RESULT, "latency_200": dear, "latency_1000": few}
        self.assertEqual([1, 1, 1, 10], dict(page.sizes(both))["cores of postgres"])

    def test_says_how_to_repeat_it_without_names_of_the_machine(self):
        text = page.text(self.RESULT)
        self.assertIn("`scripts/bench --beside FOLDER --reps 5 --page deploy/speed.md`\nin 80 minutes", text)
        self.assertIn("| CPU of the workers | 0.130 ms a cart | <= 0.08 ms a cart | **missed** |", text)
        self.assertIn("| cores of postgres | 0.01 | 0.10 | 1.0 | 10 |", text)
        self.assertIn("One queue takes 26,000 carts/s", text)
        self.assertNotIn("some/where", text)
        text = page.text({**self.RESULT, "again": ["scripts/bench shapes --onto a.json --json a.json --page x.md"]})
        self.assertIn("in 80 minutes, with\n`scripts/bench shapes --onto FILE` since: run it again", text)

    def test_says_what_was_not_verified(self):
        text = page.text({**self.RESULT, "violations": ["P2: x"]})
        self.assertIn("**Not every run could be verified**: P2: x.", text)


class Growth(unittest.TestCase):
    def samples(self, *depths: int) -> list:
        used = {"reserver": 30_000_000}
        return [({"reserver.carts": depth}, Usage({}, used, used)) for depth in depths]

    def test_what_stays_the_same_does_not_grow(self):
        self.assertEqual([], limits.growth(self.samples(0, 9_000, 9_100, 8_900, 9_000))["grew"])
        self.assertEqual([], limits.growth(self.samples(0, 0, 5, 400, 1_500))["grew"])

    def test_what_grows_is_named(self):
        found = limits.growth(self.samples(0, 5_000, 10_000, 15_000, 20_000))
        self.assertEqual(["reserver.carts"], found["grew"])
        self.assertEqual(({"reserver.carts": 5_000}, {"reserver.carts": 20_000}),
                         (found["waiting_early"], found["waiting_late"]))

    def test_a_moment_is_no_time(self):
        with self.assertRaisesRegex(Trouble, "measure for longer"):
            limits.growth(self.samples(1, 2))


class Comparators(unittest.TestCase):
    RUN = ('{"kind": "throughput", "n": 10, "carts_per_s": 4, "carts_per_s_after_first": 5, "verify": "VERIFY", '
           '"cpu_s": {"machine": 9, "worker": 0.01, "postgres": 0.02}}')

    @contextlib.contextmanager
    def peer(self, line: str):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for script, text in (("run.sh", f"echo 'a table'; echo '{line}' > $PEERS_TMP/results-1.jsonl"),
                                 ("servers.sh", "")):
                (folder / script).write_text(f"#!/bin/sh\n{text}\n")
                (folder / script).chmod(stat.S_IRWXU)
            with Peer(folder, folder / "scratch") as peer:
                yield peer

    def test_a_run_is_read(self):
        with self.peer(self.RUN.replace("VERIFY", "ok")) as peer:
            self.assertEqual({"carts_per_s": 5, "carts_per_s_with_start": 4,
                              "cpu_ms_per_cart": {"worker": 1.0, "postgres": 2.0}}, peer.throughput(10))

    def test_one_that_broke_its_own_promises_does_not_count(self):
        with self.peer(self.RUN.replace("VERIFY", "bad")) as peer, \
                self.assertRaisesRegex(Trouble, "comparator failed: bad"):
            peer.throughput(10)

    def test_one_that_measured_nothing_is_named(self):
        with self.peer('{"kind": "machine"}') as peer, self.assertRaisesRegex(Trouble, "measured no throughput"):
            peer.throughput(10)

    def test_a_folder_without_one_is_refused(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(Trouble, "has no run.sh"):
            Peer(Path(folder), Path(folder))


class Report(unittest.TestCase):
    def table(self, result: dict) -> str:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            report.print_table(result)
        return output.getvalue()

    def test_goals_are_reached_or_missed(self):
        at_200 = {"p50_ms": 5.0, "p99_ms": 26.0, "cpu_ms_per_cart": {"reserver": 1}}
        shown = self.table({"violations": [], "latency_200": at_200,
                            "replicas": {"1 of each": {"carts_per_s": 1000, "ratio": 1},
                                         "2 of each": {"carts_per_s": 960, "ratio": 0.96}}})
        self.assertRegex(shown, r"p50 +5\.0 ms +<= 8 ms  reached")
        self.assertRegex(shown, r"p99 +26\.0 ms +<= 25 ms  missed")
        self.assertRegex(shown, r"2 of each, of the first +0\.96 +>= 0\.95  reached")
        self.assertIn("every run was verified", shown)

    def test_a_broken_promise_is_shown(self):
        self.assertIn("VIOLATION  P1: oversold", self.table({"violations": ["P1: oversold"]}))


class Markets(unittest.TestCase):
    def test_the_most_wanted_are_sold_out(self):
        self.assertEqual([0, 7919, 15838], Market(sold_out=3)._sold_out_skus())
        self.assertEqual(5, len(set(Market(skus=7919, sold_out=5)._sold_out_skus())))


if __name__ == "__main__":
    unittest.main()
