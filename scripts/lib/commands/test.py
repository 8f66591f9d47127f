"""scripts/test"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..building import PRESETS, build, ensure_installed
from ..console import Trouble, duration, run, say
from ..run_directory import REPOSITORY
from ..testing import environments, fuzzing, parts, tiers
from ..testing.tally import Tally

EXAMPLES = """\
examples:
  scripts/test                      style, unit and integration tests: at every commit
  scripts/test --unit               only what needs no servers
  scripts/test -k cancel            tests whose name (or file) contains `cancel`
  scripts/test --integration --keep leaves the servers running; scripts/down --all ends them
  scripts/test --preset asan        the tests under AddressSanitizer and UndefinedBehaviorSanitizer
  scripts/test --all                every part below, from nothing an hour or more on two cores: what CI runs
  scripts/test --only fuzz,tidy     some parts of it
  scripts/test --only fuzz -k rules --fuzz-seconds 300
  scripts/test --nightly            every part, hours of it

parts of --all and --nightly:
{parts}

The tests get throw-away RabbitMQ, PostgreSQL and MariaDB of their own on free loopback ports. The last line
is `N passed, N failed`; the exit status is 0 only if something ran and nothing failed. The logs of the
servers and workers of the last run are in .run/test-log by build, those of a file that failed in a folder of its
name, reports of sanitizers in .run/sanitizers, inputs that broke a fuzz target in .run/fuzz/broken, coverage by
file in build/coverage.json. Tests may be more thorough where CARTWRIGHT_TEST_ALL is set, as `ordinary` sets
it, and every part of --nightly.
"""


def main() -> int:
    options = _parse()
    began = time.monotonic()
    tally = Tally()
    ensure_installed()
    try:
        if options.parts:
            parts.run(_plan(options), options.parts, tally)
        else:
            _tiers(options, tally)
    except Trouble as trouble:
        tally.fail("scripts/test", str(trouble))
    return _report(tally, time.monotonic() - began)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test", epilog=EXAMPLES.format(parts=_parts_help()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Installs what is missing, builds, and runs tests.")
    parser.add_argument("--unit", action="store_true", help="style and unit tests only: no servers")
    parser.add_argument("--integration", action="store_true", help="integration tests only")
    parser.add_argument("-k", dest="patterns", action="append", default=[], metavar="PATTERN",
                        help="only tests with this in their name or file; may be repeated")
    parser.add_argument("--keep", action="store_true", help="leave the servers running at the end")
    parser.add_argument("--preset", choices=PRESETS, default="release", help="which build to test")
    parser.add_argument("--no-build", action="store_true", help="test what is built already")
    _add_parts(parser)
    options = parser.parse_args()
    options.parts = []
    if options.all or options.nightly or options.only:
        if options.unit or options.integration or options.keep or options.preset != "release":
            parser.error("--unit, --integration, --keep, --preset do not go with --all, --nightly, --only")
        try:
            options.parts = parts.chosen([name for name in options.only.split(",") if name])
        except Trouble as trouble:
            parser.error(str(trouble))
    return options


def _add_parts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("parts")
    group.add_argument("--all", action="store_true", help="every part below, in an hour or more")
    group.add_argument("--nightly", action="store_true", help="every part below, as thoroughly as it can be")
    group.add_argument("--only", default="", metavar="PART,PART", help="some parts, as in --all or --nightly")
    group.add_argument("--fuzz-seconds", type=int, metavar="N", help="how long each fuzz target runs")
    group.add_argument("--data", type=Path, metavar="DIR",
                       help="real payloads that fuzzing begins with; default: what CARTWRIGHT_DATA names, "
                            "else ../shared/data where that is")


def _parts_help() -> str:
    return "\n".join(f"  {part.name:<10}" + part.help.replace("\n", "\n" + " " * 12)
                     for part in parts.PARTS.values())


def _plan(options: argparse.Namespace) -> parts.Plan:
    usual_s = parts.FUZZ_NIGHTLY_S if options.nightly else parts.FUZZ_S
    return parts.Plan(nightly=options.nightly, patterns=options.patterns,
                      data=options.data or fuzzing.default_data(),
                      fuzz_s=options.fuzz_seconds or usual_s, no_build=options.no_build)


def _tiers(options: argparse.Namespace, tally: Tally) -> None:
    if not options.no_build:
        build(options.preset)
    tested = tiers.Run(options.preset, options.patterns, options.keep)
    if tested.sanitizer:
        tested.sanitizer.begin()
    if not options.integration or options.unit:
        tiers.unit(tested, tally)
    if not options.unit or options.integration:
        tiers.integration(tested, tally)


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
