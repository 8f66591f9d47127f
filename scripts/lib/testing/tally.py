"""Counts outcomes and says them at the end."""

from __future__ import annotations

import dataclasses

from ..console import paint, say

_DETAIL_LINES_MAX = 60


@dataclasses.dataclass
class Tally:
    """Passed, failed, skipped, and what is known of each failure."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def fail(self, title: str, detail: str = "", count: int = 1) -> None:
        self.failed += count
        self.failures.append((title, detail))

    def add(self, other: Tally) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def line(self) -> str:
        """`N passed, N failed`, and `, N skipped` if any were."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"

    def remark(self) -> str:
        """The same in colour, for the end of a step."""
        return paint("red" if self.failed else "green", self.line())

    def say_failures(self) -> None:
        """Prints every failure with the end of its detail."""
        for title, detail in self.failures:
            say()
            say(paint("red", f"FAILED {title}"))
            lines = detail.rstrip().splitlines()
            if len(lines) > _DETAIL_LINES_MAX:
                say(f"    ({len(lines) - _DETAIL_LINES_MAX} lines left out)")
            for line in lines[-_DETAIL_LINES_MAX:]:
                say(f"    {line}")
