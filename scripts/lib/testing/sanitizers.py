"""Sanitizers: how programs are told to report, and what they reported.

Whatever a program finds goes to a file, so that a worker that dies of it (and is started again by a test that
kills workers anyway) is not overlooked.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

from ..run_directory import REPOSITORY
from .tally import Tally

_FOLDER = REPOSITORY / ".run/sanitizers"
_SUPPRESSIONS = REPOSITORY / "tests/support/suppressions"
_SYMBOLIZER = "/usr/bin/llvm-symbolizer-19"
_REPORTS_SHOWN_MAX = 10
_LINES_SHOWN_MAX = 50


@dataclasses.dataclass(frozen=True)
class Sanitizer:
    """A build with sanitizers; `slowness` is what time limits are multiplied with."""

    preset: str
    slowness: float

    @property
    def reports(self) -> Path:
        return _FOLDER / self.preset

    def begin(self) -> None:
        """Forgets the reports of the last run."""
        shutil.rmtree(self.reports, ignore_errors=True)
        self.reports.mkdir(parents=True)

    def environment(self) -> dict[str, str]:
        """For the tests and, through them, the workers."""
        common = f"log_path={self.reports}/report:exitcode=86:external_symbolizer_path={_SYMBOLIZER}"
        return {
            "ASAN_OPTIONS": f"{common}:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
            "UBSAN_OPTIONS": f"{common}:print_stacktrace=1",
            "LSAN_OPTIONS": f"suppressions={_SUPPRESSIONS}/leaks.txt:print_suppressions=0",
            "TSAN_OPTIONS": f"{common}:suppressions={_SUPPRESSIONS}/threads.txt:history_size=4:"
                            "second_deadlock_stack=1",
            "LLVM_PROFILE_FILE": "/dev/null",  # unless somebody wants to know what ran
            "CARTWRIGHT_SANITIZER": self.preset,
            "CARTWRIGHT_SLOWNESS": str(self.slowness),
        }

    def collect(self, after: str, tally: Tally) -> None:
        """Counts what was reported since the last call, as failures of what ran."""
        reports = sorted(self.reports.glob("report*"))
        for number, path in enumerate(reports):
            text = path.read_text("utf-8", "replace")
            if number < _REPORTS_SHOWN_MAX:
                shown = text.strip().splitlines()[:_LINES_SHOWN_MAX]
                kept = (self.reports / "seen" / path.name).relative_to(REPOSITORY)
                tally.fail(f"{self.preset}: {after}", "\n".join(shown) + f"\n(kept: {kept})")
            else:
                tally.failed += 1
            (self.reports / "seen").mkdir(exist_ok=True)
            path.rename(self.reports / "seen" / path.name)


ASAN = Sanitizer("asan", 3)
TSAN = Sanitizer("tsan", 4)
BY_PRESET = {sanitizer.preset: sanitizer for sanitizer in (ASAN, TSAN)}


def slowness() -> float:
    """How much longer things may take in this process's tests: 1 without sanitizers."""
    return float(os.environ.get("CARTWRIGHT_SLOWNESS") or 1)
