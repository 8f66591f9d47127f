"""The parts of `scripts/test --all` and `--nightly`."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Callable

from ..building import TIDY, build, configure
from ..console import Trouble, duration, paint, say
from . import clang_tidy, coverage, fuzzing, sanitizers, tiers
from .tally import Tally

FUZZ_S, FUZZ_NIGHTLY_S = 30, 600
TIDY_WITHIN_S = 360
PATIENCE = 3  # a test file may take so many times longer than in a plain run

# What has threads. Libraries are not instrumented: tests/support/suppressions/threads.txt.
_THREADED_PROGRAMS = ("unit_amqp", "unit_catalogue", "unit_http", "unit_log", "unit_metrics", "unit_router",
                      "unit_runtime", "unit_worker", "integration_amqp", "integration_catalogue",
                      "integration_router", "integration_splitter")
_THREADED_FILES = ("chaos_test.py", "drain_test.py", "endpoint_test.py", "held_test.py", "poison_test.py",
                   "sequence_test.py")
_WORKERS = ("reserver", "splitter", "router", "cartwright")
_LONG_ALREADY = ("demo_test.py",)  # a marketplace for a minute, whose clock sanitizers would break


@dataclasses.dataclass
class Plan:
    """What scripts/test was asked for."""

    nightly: bool = False
    patterns: list[str] = dataclasses.field(default_factory=list)
    data: Path | None = None
    fuzz_s: int = FUZZ_S
    no_build: bool = False

    def built(self, preset: str, targets: tuple[str, ...] = ()) -> Path:
        if self.no_build:
            return tiers.Run(preset).folder
        return build(preset, targets)

    def run(self, preset: str, **more) -> tiers.Run:
        return tiers.Run(preset, self.patterns, patience=PATIENCE, **more)


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    help: str
    work: Callable[[Plan, Tally], None]


def _ordinary(plan: Plan, tally: Tally) -> None:
    plan.built("release", ("all", "load"))
    run = plan.run("release", extra_environment={"CARTWRIGHT_TEST_ALL": "1"})
    tiers.unit(run, tally)
    tiers.integration(run, tally)


def _asan(plan: Plan, tally: Tally) -> None:
    plan.built("asan")
    sanitizers.ASAN.begin()
    coverage.begin()
    run = plan.run("asan", left_out=_LONG_ALREADY, extra_environment=_depth(plan) | coverage.environment())
    tiers.unit(run, tally, python_too=False)
    tiers.integration(run, tally)


def _tsan(plan: Plan, tally: Tally) -> None:
    plan.built("tsan", _WORKERS + _THREADED_PROGRAMS)
    sanitizers.TSAN.begin()
    run = plan.run("tsan", programs=_THREADED_PROGRAMS, files=_THREADED_FILES, extra_environment=_depth(plan))
    tiers.unit(run, tally, python_too=False)
    tiers.integration(run, tally)


def _depth(plan: Plan) -> dict[str, str]:
    """Tests are as thorough under sanitizers as in a plain run but for the model, whose fibers are slow there; at
    night they are all they can be."""
    return {"CARTWRIGHT_TEST_ALL": "1"} if plan.nightly else {"CARTWRIGHT_MODEL_SCHEDULES": "500"}


def _fuzz(plan: Plan, tally: Tally) -> None:
    folder = plan.built("asan", ("fuzz",))
    fuzzing.run(folder, plan.fuzz_s, plan.data, plan.patterns, tally)


def _tidy(plan: Plan, tally: Tally) -> None:
    clang_tidy.run(configure(TIDY), None if plan.nightly else TIDY_WITHIN_S, plan.patterns, tally)


def _coverage(plan: Plan, tally: Tally) -> None:
    coverage.report(tiers.Run("asan").folder, tally, whole=not plan.patterns)


PARTS = {part.name: part for part in (
    Part("ordinary", "style, unit and integration tests on the release build, long variants too", _ordinary),
    Part("fuzz", f"libFuzzer on every decoder of input, {FUZZ_S} s each; nightly {FUZZ_NIGHTLY_S // 60} min",
         _fuzz),
    Part("asan", "unit and integration tests under AddressSanitizer (and its leak detection) and\n"
                 "UndefinedBehaviorSanitizer, workers too", _asan),
    Part("coverage", "lines and branches of common/ and workers/ that `asan` reached", _coverage),
    Part("tsan", "what has threads, under ThreadSanitizer: unit and integration programs, and\n"
                 "tests of the whole fleet", _tsan),
    Part("tidy", "clang-tidy on the product: what has no verdict yet and a tenth of the rest,\n"
                 f"at most {TIDY_WITHIN_S // 60} min; nightly everything, tests too", _tidy),
)}


def chosen(names: list[str]) -> list[Part]:
    """The parts, in their order; coverage brings what it needs."""
    if unknown := [name for name in names if name not in PARTS]:
        raise Trouble(f"there is no part {unknown[0]}", f"use some of {', '.join(PARTS)}")
    wanted = set(names or PARTS)
    if "coverage" in wanted:
        wanted.add("asan")
    return [part for part in PARTS.values() if part.name in wanted]


def run(plan: Plan, parts: list[Part], tally: Tally) -> None:
    """Runs them one after the other, whatever becomes of one, and says how long each took."""
    lines = []
    for number, part in enumerate(parts, 1):
        say()
        say(paint("bold", f"== {part.name} ({number} of {len(parts)}): {' '.join(part.help.split())}"))
        began, own = time.monotonic(), Tally()
        try:
            part.work(plan, own)
        except Trouble as trouble:
            own.fail(part.name, str(trouble))
        tally.add(own)
        took = duration(time.monotonic() - began).rjust(14)
        lines.append(f"  {part.name}".ljust(20) + took + f"  {own.remark()}")
    say()
    say("\n".join(lines))
    for part in PARTS.values():
        if part not in parts:
            say(f"  {part.name}".ljust(20) + "       not run")
