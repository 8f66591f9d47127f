"""scripts/test"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from ..building import PRESETS, build, ensure_installed
from ..console import Trouble, duration, paint, run, say, step
from ..run_directory import REPOSITORY
from ..servers import PROGRAMS, Servers
from ..testing import cpp, environments, python
from ..testing.tally import Tally

EXAMPLES = """\
examples:
  scripts/test                      style, unit and integration tests: what CI runs
  scripts/test --unit               only what needs no servers
  scripts/test -k cancel            tests whose name (or file) contains `cancel`
  scripts/test --integration --keep leaves the servers running; scripts/down --all ends them
  scripts/test --preset asan        everything under AddressSanitizer and UndefinedBehaviorSanitizer

The tests get throw-away RabbitMQ, PostgreSQL and MariaDB of their own on free loopback ports. The last line
is `N passed, N failed`; the exit status is 0 only if something ran and nothing failed. The logs of the
servers and workers of the last run are in .run/test-log.
"""


def main() -> int:
    options = _parse()
    began = time.monotonic()
    tally = Tally()
    ensure_installed()
    try:
        folder = REPOSITORY / "build" / options.preset if options.no_build else build(options.preset)
        if not options.integration or options.unit:
            _unit_tier(folder, options.patterns, tally)
        if not options.unit or options.integration:
            _integration_tier(folder, options, tally)
    except Trouble as trouble:
        tally.fail("scripts/test", str(trouble))
    return _report(tally, time.monotonic() - began)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Installs what is missing, builds, and runs all tests.")
    parser.add_argument("--unit", action="store_true", help="style and unit tests only: no servers")
    parser.add_argument("--integration", action="store_true", help="integration tests only")
    parser.add_argument("-k", dest="patterns", action="append", default=[], metavar="PATTERN",
                        help="only tests with this in their name or file; may be repeated")
    parser.add_argument("--keep", action="store_true", help="leave the servers running at the end")
    parser.add_argument("--preset", choices=PRESETS, default="release", help="which build to test")
    parser.add_argument("--no-build", action="store_true", help="test what is built already")
    return parser.parse_args()


def _unit_tier(folder: Path, patterns: list[str], tally: Tally) -> None:
    if not patterns:
        tally.add(cpp.check_format())
    tally.add(cpp.run_unit_programs(folder, patterns))
    tally.add(cpp.run_other_ctests(folder, patterns))
    for path in python.find(["tests/tidy", "tests/unit"], patterns):
        tally.add(_python_file(path, patterns))


def _integration_tier(folder: Path, options: argparse.Namespace, tally: Tally) -> None:
    programs = cpp.programs(folder, "integration", options.patterns)
    files = python.find(["tests/integration"], options.patterns)
    if not programs and not files:
        return
    with contextlib.ExitStack() as stack:
        with step("starting RabbitMQ, PostgreSQL, MariaDB"):
            servers = stack.enter_context(environments.test_environment(options.keep))
        _integration_tests(servers, programs, files, options, tally)
    if options.keep:
        say(f"the servers go on running in {servers.run.path}; scripts/down --all ends them")


def _integration_tests(servers: Servers, programs: list[Path], files: list[Path], options: argparse.Namespace,
                       tally: Tally) -> None:
    with step("schema and topology"):
        environments.prepare(servers, options.preset)
    roles = {f"{program.upper()}_POSTGRES_URL": servers.postgres.url(program) for program in PROGRAMS}
    environment = {**servers.urls, **roles, "CARTWRIGHT_RUN_DIR": str(servers.run.path),
                   "CARTWRIGHT_PRESET": options.preset}
    for program in programs:
        with step(program.name) as current:
            result = cpp.run_program(program, options.patterns, environment)
            current.remark = result.remark()
        tally.add(result)
        environments.tidy(servers)
    for path in files:
        tally.add(_python_file(path, options.patterns, environment))
        if left := environments.tidy(servers):
            tally.fail(str(path.relative_to(REPOSITORY)), f"left workers running: {', '.join(left)}")


def _python_file(path: Path, patterns: list[str], environment: dict[str, str] | None = None) -> Tally:
    say(paint("bold", str(path.relative_to(REPOSITORY))))
    return python.run_file(path, patterns, environment)


def _report(tally: Tally, seconds: float) -> int:
    tally.say_failures()
    if tally.failed and environments.LOGS.exists():
        say(f"\nlogs of servers and workers: {environments.LOGS.relative_to(REPOSITORY)}")
    nothing_ran = tally.passed + tally.failed == 0
    say()
    if nothing_ran:
        say("no test ran" + (": nothing has that name" if tally.skipped == 0 else ""))
    say(f"took {duration(seconds)}")
    say(tally.line())
    return 1 if tally.failed or nothing_ran else 0


run(main)
