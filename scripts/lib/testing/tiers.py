"""The unit and the integration tier, on any build."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Iterator, Sequence

from ..console import paint, say, step
from ..run_directory import REPOSITORY
from ..servers import PROGRAMS, Servers
from . import cpp, environments, lanes, python, sanitizers
from .sanitizers import Sanitizer
from .tally import Tally

_FILE_WITHIN_S = python.FILE_WITHIN_S
_LANES_A_CORE, _LANES_MAX = 1.5, 3  # tests wait most of the time; each lane has servers of its own
# Begun first, so that no lane is left alone with one of them at the end.
_LONG = ("freezes_test", "demo_test", "endpoint_test", "gate_test", "courier_points_test", "storm_test", "points_test",
         "integration_router", "publishing_test", "chaos_test", "integration_amqp", "long_lock_test",
         "integration_splitter")


@dataclasses.dataclass
class Run:
    """What is to run. Of `programs` and `files`, None means all; names otherwise."""

    preset: str = "release"
    patterns: list[str] = dataclasses.field(default_factory=list)
    keep: bool = False
    patience: float = 1  # time limits are multiplied with it
    extra_environment: dict[str, str] = dataclasses.field(default_factory=dict)
    programs: Sequence[str] | None = None
    files: Sequence[str] | None = None
    left_out: Sequence[str] = ()  # Python files

    @property
    def folder(self) -> Path:
        return REPOSITORY / "build" / self.preset

    @property
    def sanitizer(self) -> Sanitizer | None:
        return sanitizers.BY_PRESET.get(self.preset)

    @property
    def slowness(self) -> float:
        return self.patience * (self.sanitizer.slowness if self.sanitizer else 1)

    def environment(self) -> dict[str, str]:
        return {**(self.sanitizer.environment() if self.sanitizer else {}), **self.extra_environment}

    def wants(self, name: str, names: Sequence[str] | None) -> bool:
        return name not in self.left_out and (names is None or name in names)

    def reported(self, after: str, tally: Tally) -> None:
        if self.sanitizer:
            self.sanitizer.collect(after, tally)


def unit(run: Run, tally: Tally, python_too: bool = True) -> None:
    """Style and unit tests: no servers."""
    if python_too and not run.patterns:
        tally.add(cpp.check_format())
    programs = [program for program in cpp.programs(run.folder, "unit", run.patterns)
                if run.wants(program.name, run.programs)]
    tally.add(cpp.run_unit_programs(programs, run.patterns, run.environment(), run.slowness))
    if python_too:
        tally.add(cpp.run_other_ctests(run.folder, run.patterns))
    run.reported("unit tests", tally)
    for path in python.find(["tests/tidy", "tests/unit"], run.patterns) if python_too else []:
        tally.add(_python_file(run, path, run.environment()))


def integration(run: Run, tally: Tally) -> None:
    """Against servers of its own; in lanes, each with its own, where there is enough to do."""
    programs = [program for program in cpp.programs(run.folder, "integration", run.patterns)
                if run.wants(program.name, run.programs)]
    files = [path for path in python.find(["tests/integration"], run.patterns)
             if run.wants(path.name, run.files)]
    jobs = [str(path.relative_to(REPOSITORY)) for path in sorted((*programs, *files), key=_when)]
    if not jobs:
        return
    environments.forget_logs(run.preset)
    if run.keep or len(jobs) == 1:
        _one_after_the_other(run, jobs, tally)
        return
    def lane(number: int) -> contextlib.AbstractContextManager[lanes.Work]:
        return _lane(run, f"{run.preset}/lane-{number}")

    for job, result in lanes.run(jobs, _lanes(), lane):
        tally.add(result)
        run.reported(job or "integration tests", tally)


def _when(path: Path) -> int:
    return _LONG.index(path.stem) if path.stem in _LONG else len(_LONG)


def _lanes() -> int:
    return max(1, min(_LANES_MAX, int(_LANES_A_CORE * cpp.cores())))


def _one_after_the_other(run: Run, jobs: list[str], tally: Tally) -> None:
    with _lane(run, f"{run.preset}/lane-1") as work:
        for job in jobs:
            tally.add(work(job))
            run.reported(job, tally)
    if run.keep:
        say(f"the servers go on running in {REPOSITORY}/.run/test-{os.getpid()}; scripts/down --all ends them")


@contextlib.contextmanager
def _lane(run: Run, name: str) -> Iterator[lanes.Work]:
    """Servers, and what runs a program or a file against them."""
    with contextlib.ExitStack() as stack:
        with step("starting RabbitMQ, PostgreSQL, MariaDB"):
            servers = stack.enter_context(environments.test_environment(run.keep, name))
        with step("schema and topology"):
            environments.prepare(servers, run.preset)
        roles = {f"{program.upper()}_POSTGRES_URL": servers.postgres.url(program) for program in PROGRAMS}
        environment = {**servers.urls, **roles, "CARTWRIGHT_RUN_DIR": str(servers.run.path),
                       "CARTWRIGHT_PRESET": run.preset, **run.environment()}
        yield lambda job: _integration_test(run, servers, REPOSITORY / job, environment)


def _integration_test(run: Run, servers: Servers, path: Path, environment: dict[str, str]) -> Tally:
    if path.suffix == ".py":
        tally = _python_file(run, path, environment)
        if left := environments.tidy(servers):
            tally.fail(str(path.relative_to(REPOSITORY)), f"left workers running: {', '.join(left)}")
    else:
        with step(path.name) as current:
            tally = cpp.run_program(path, run.patterns, environment, run.slowness)
            current.remark = tally.remark()
        environments.tidy(servers)
    if tally.failed:
        environments.copy_logs(servers, f"{run.preset}/{path.stem}")
    return tally


def _python_file(run: Run, path: Path, environment: dict[str, str]) -> Tally:
    say(paint("bold", str(path.relative_to(REPOSITORY))))
    return python.run_file(path, run.patterns, environment, _FILE_WITHIN_S * run.slowness)
