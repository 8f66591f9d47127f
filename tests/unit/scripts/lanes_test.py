"""Jobs in several processes: each is done once, nothing that goes wrong is overlooked."""

import contextlib
import io
import os
import subprocess
import time
import unittest

from lib.console import Trouble, say
from lib.testing import lanes
from lib.testing.tally import Tally


def one_passed(job: str) -> Tally:
    say(f"{job} says hello")
    subprocess.run(["/bin/echo", job, "has a child"], check=True)
    return Tally(passed=1)


class Lanes(unittest.TestCase):
    def run_jobs(self, jobs: list[str], lane, count: int = 2) -> tuple[dict[str, Tally], str]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            results = list(lanes.run(jobs, count, lane))
        self.assertEqual(len(results), len(dict(results)))
        return dict(results), output.getvalue()

    def test_every_job_is_done_once_and_what_it_says_stays_together(self):
        jobs = [f"job-{number}" for number in range(40)]
        results, output = self.run_jobs(jobs, lambda _: contextlib.nullcontext(one_passed), 4)
        self.assertEqual(set(jobs), set(results))
        self.assertEqual(40, sum(tally.passed for tally in results.values()))
        for job in jobs:
            self.assertEqual(1, output.count(f"{job} says hello\n{job} has a child\n"))

    def test_two_lanes_work_at_once(self):
        @contextlib.contextmanager
        def lane(number):
            def work(job):
                for _ in range(2000):
                    if len(os.listdir(folder)) == 2:
                        return Tally(passed=1)
                    time.sleep(0.005)
                return Tally(failed=1)
            open(f"{folder}/{number}", "w").close()
            yield work
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            results, _ = self.run_jobs(["a", "b"], lane)
        self.assertEqual(2, sum(tally.passed for tally in results.values()))

    def test_a_lane_that_cannot_begin_leaves_its_jobs_to_the_other(self):
        @contextlib.contextmanager
        def lane(number):
            if number == 1:
                raise Trouble("no servers", "look at them")
            yield one_passed
        results, _ = self.run_jobs(["a", "b", "c"], lane)
        self.assertEqual(1, results.pop("").failed)
        self.assertEqual({"a": 1, "b": 1, "c": 1}, {job: tally.passed for job, tally in results.items()})

    def test_a_mistake_in_a_lane_is_told_with_its_place(self):
        @contextlib.contextmanager
        def lane(_):
            raise KeyError("no such thing")
            yield
        results, _ = self.run_jobs(["a"], lane, 1)
        (_, detail), = results[""].failures
        self.assertRegex(detail, r"(?s)lanes_test\.py.*KeyError: 'no such thing'")

    def test_jobs_that_nobody_did_are_failures(self):
        @contextlib.contextmanager
        def lane(_):
            raise Trouble("no servers")
            yield
        results, _ = self.run_jobs(["a", "b"], lane, 1)
        self.assertEqual([1, 1, 1], [tally.failed for tally in results.values()])

    def test_a_lane_that_is_killed_is_a_failure_and_ends_nothing_else(self):
        def die_of_b(job):
            if job == "b":
                os.kill(os.getpid(), 9)
            return Tally(passed=1)
        results, _ = self.run_jobs(["a", "b", "c", "d"], lambda _: contextlib.nullcontext(die_of_b))
        self.assertEqual({"a": 1, "b": 0, "c": 1, "d": 1},
                         {job: results[job].passed for job in "abcd"})
        self.assertEqual((1, 1), (results["b"].failed, results[""].failed))


if __name__ == "__main__":
    unittest.main()
