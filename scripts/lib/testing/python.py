"""Runs Python test files, each in a process of its own, and collects what became of each test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ..console import say
from ..run_directory import REPOSITORY
from .tally import Tally

FILE_WITHIN_S = 300
_IMPORT_PATH = f"{REPOSITORY}/scripts:{REPOSITORY}/tests/support"


def find(folders: list[str], patterns: list[str]) -> list[Path]:
    """The files *_test.py below folders of the repository in which one of the patterns, if any, can match."""
    files = sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*_test.py"))
    return [path for path in files if not patterns or any(
        pattern in path.stem or pattern in path.read_text("utf-8") for pattern in patterns)]


def run_file(path: Path, patterns: list[str], environment: dict[str, str] | None = None,
             timeout_s: float = FILE_WITHIN_S) -> Tally:
    """Runs the tests of a file; one that has none is run as a script and counts as one test."""
    shown = path.relative_to(REPOSITORY)
    with tempfile.TemporaryDirectory(prefix="cartwright-test-") as folder:
        results = Path(folder) / "results"
        command = [sys.executable, "-m", "lib.testing.unittest_child", str(path), str(results), *patterns]
        sys.stdout.flush()
        child = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, start_new_session=True,
                                 env={**os.environ, **(environment or {}), "PYTHONPATH": _IMPORT_PATH})
        problem = ""
        try:
            status = child.wait(timeout_s)
            problem = f"the file ended with status {status}" if status != 0 else ""
        except subprocess.TimeoutExpired:
            problem = f"the file was not done after {timeout_s:.0f} s"
            say()
        finally:
            _end(child)
        tally, unfinished = _read(results, str(shown))
        if problem:
            tally.fail(str(shown), problem + (f", during {unfinished}" if unfinished else ""))
        return tally


def _end(child: subprocess.Popen) -> None:
    """Ends the child and whatever it started in its session."""
    for number, patience_s in ((signal.SIGINT, 20), (signal.SIGKILL, 10)):
        if child.poll() is not None:
            return
        os.killpg(child.pid, number)
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue


def _read(results: Path, shown: str) -> tuple[Tally, str]:
    """The outcomes in the results file, and the name of a test that began and did not end."""
    tally, unfinished = Tally(), ""
    lines = results.read_text().splitlines() if results.exists() else []
    for line in map(json.loads, lines):
        outcome = line["outcome"]
        unfinished = line["test"] if outcome == "began" else ""
        if outcome == "passed":
            tally.passed += 1
        elif outcome == "skipped":
            tally.skipped += 1
        elif outcome == "failed":
            tally.fail(f"{shown}: {line['test']}", line["detail"])
    return tally, unfinished
