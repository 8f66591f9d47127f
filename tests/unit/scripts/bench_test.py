"""What scripts/bench makes of what it measures."""

import contextlib
import io
import stat
import tempfile
import unittest
from pathlib import Path

from lib.bench import report, verify
from lib.bench.market import Market
from lib.bench.peer import Peer
from lib.console import Trouble


class Verification(unittest.TestCase):
    STORED = {("s/main/1", "a"), ("s/main/2", "b"), ("t/main/1", "c")}

    def test_what_is_stored_arrived_once_and_in_sequence(self):
        self.assertEqual([], verify.compare(["s/main/1 a", "t/main/1 c", "s/main/2 b"], self.STORED))

    def test_what_is_wrong_is_named(self):
        for arrived, complaint in ((["s/main/1 a", "s/main/2 b"], "P7: 1 stored messages did not arrive, like t/main/1"),
                                   (["s/main/2 b", "s/main/1 a", "t/main/1 c"], "P5: s/main/2 came after number 0"),
                                   (["s/main/1 a", "s/main/2 x", "t/main/1 c"], "arrived that are not stored"),
                                   (["s/main/1 a", "s/main/1 a", "s/main/2 b", "t/main/1 c"], "P2: 1 messages arrived more")):
            with self.subTest(complaint):
                self.assertIn(complaint, "\n".join(verify.compare(arrived, self.STORED)))


class Comparators(unittest.TestCase):
    RUN = ('{"kind": "throughput", "n": 10, "carts_per_s": 4, "carts_per_s_after_first": 5, "verify": "VERIFY", '
           '"cpu_s": {"machine": 9, "worker": 0.01, "postgres": 0.02}}')

    @contextlib.contextmanager
    def peer(self, line: str):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for script, text in (("run.sh", f"echo 'a table'; echo '{line}' > $PEERS_TMP/results-1.jsonl"), ("servers.sh", "")):
                (folder / script).write_text(f"#!/bin/sh\n{text}\n")
                (folder / script).chmod(stat.S_IRWXU)
            with Peer(folder, folder / "scratch") as peer:
                yield peer

    def test_a_run_is_read(self):
        with self.peer(self.RUN.replace("VERIFY", "ok")) as peer:
            self.assertEqual({"carts_per_s": 5, "carts_per_s_with_start": 4, "cpu_ms_per_cart": {"worker": 1.0, "postgres": 2.0}},
                             peer.throughput(10))

    def test_one_that_broke_its_own_promises_does_not_count(self):
        with self.peer(self.RUN.replace("VERIFY", "bad")) as peer, self.assertRaisesRegex(Trouble, "comparator failed: bad"):
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
        shown = self.table({"violations": [], "latency_200": {"p50_ms": 5.0, "p99_ms": 26.0},
                            "replicas": {"1 of each": {"carts_per_s": 1000, "ratio": 1}, "2 of each": {"carts_per_s": 960, "ratio": 0.96}}})
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
