"""Runs one test file: `python3 -m lib.testing.unittest_child FILE RESULTS [PATTERN...]`.

Prints a line a test, and appends a JSON line a test to RESULTS as soon as it is known, so that nothing is
lost if the process is killed. Exit status 0 unless the file could not be run.
"""

from __future__ import annotations

import ctypes
import io
import json
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

from ..console import STEP_COLUMN, duration, paint

_SKIPPED_COLOUR, _PASSED_COLOUR, _FAILED_COLOUR = "yellow", "green", "red"


class _Result(unittest.TestResult):
    """Writes every outcome down at once; the worst of a test and its subtests counts."""

    def __init__(self, results: io.TextIOBase):
        super().__init__()
        self.buffer = True
        self._results = results
        self._terminal = sys.stdout
        self._began = time.monotonic()
        self._passed = False
        self._skipped: str | None = None
        self._problems: list[str] = []

    def startTest(self, test):
        super().startTest(test)
        self._began, self._passed, self._skipped, self._problems = time.monotonic(), False, None, []
        self._terminal.write(f"  {_name(test)} ")
        self._terminal.flush()
        self._write(_name(test), "began")

    def stopTest(self, test):
        super().stopTest(test)
        name = _name(test)
        if self._problems:
            self._finish(name, "failed", "\n".join(self._problems))
        elif self._skipped is not None:
            self._finish(name, "skipped", self._skipped)
        elif self._passed:
            self._finish(name, "passed", "")
        else:
            self._finish(name, "failed", "interrupted")

    def addSuccess(self, test):
        super().addSuccess(test)
        self._passed = True

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._passed = True

    def addError(self, test, err):
        super().addError(test, err)
        self._problem(test, self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._problem(test, self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        before = len(self.errors) + len(self.failures)
        super().addSubTest(test, subtest, err)
        if len(self.errors) + len(self.failures) > before:
            last = (self.failures if issubclass(err[0], test.failureException) else self.errors)[-1]
            self._problems.append(f"{subtest}\n{last[1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self._skipped = reason
        else:  # a whole class or module, skipped before any of its tests began
            self._write(str(test), "skipped", reason)
            self._terminal.write(f"  {test}: skipped, {reason}\n")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._problems.append("passed, but is marked as an expected failure")

    def _problem(self, test, detail: str) -> None:
        if isinstance(test, unittest.TestCase):
            self._problems.append(detail)
        else:  # setUpClass, setUpModule and the like
            self._write(str(test), "failed", detail)
            self._terminal.write(f"  {test}: {paint(_FAILED_COLOUR, 'failed')}\n")

    def _finish(self, name: str, outcome: str, detail: str) -> None:
        colour = {"failed": _FAILED_COLOUR, "skipped": _SKIPPED_COLOUR}.get(outcome, _PASSED_COLOUR)
        remark = f"skipped: {detail}" if outcome == "skipped" else outcome
        took = duration(time.monotonic() - self._began).rjust(9)
        self._terminal.write(f"{' ' * max(0, STEP_COLUMN - 2 - len(name))}{took}  {paint(colour, remark)}\n")
        self._terminal.flush()
        self._write(name, outcome, detail)

    def _write(self, name: str, outcome: str, detail: str = "") -> None:
        self._results.write(json.dumps({"test": name, "outcome": outcome, "detail": detail}) + "\n")
        self._results.flush()


def main() -> int:
    _end_with_the_runner()
    path, results_path, patterns = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    sys.path.insert(0, str(path.parent))
    with open(results_path, "a", encoding="utf-8") as results:
        if "Test" not in path.read_text("utf-8"):
            return _run_as_script(path, patterns, results)
        loader = unittest.TestLoader()
        loader.testNamePatterns = [f"*{pattern}*" for pattern in patterns] or None
        loader.loadTestsFromName(path.stem).run(_Result(results))
    return 0


def _run_as_script(path: Path, patterns: list[str], results: io.TextIOBase) -> int:
    if patterns and not any(pattern in path.name for pattern in patterns):
        return 0
    began = time.monotonic()
    run = subprocess.run([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, errors="replace", check=False)
    outcome = "passed" if run.returncode == 0 else "failed"
    print(f"  {path.name} {' ' * max(0, STEP_COLUMN - 2 - len(path.name))}"
          f"{duration(time.monotonic() - began).rjust(9)}  {outcome}", flush=True)
    results.write(json.dumps({"test": path.name, "outcome": outcome, "detail": run.stdout}) + "\n")
    return 0


def _end_with_the_runner() -> None:
    """Has the kernel kill this process when the runner ends, even by kill -9."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _name(test: unittest.TestCase) -> str:
    """Class.test, without the module: the file is named above."""
    return ".".join(test.id().split(".")[-2:])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
