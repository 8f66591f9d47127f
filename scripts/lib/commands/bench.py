"""scripts/bench"""

import argparse
import contextlib
import json
import os
import platform
import shlex
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Callable

from .. import run_directory
from ..bench import page, report
from ..bench.parts import PARTS, Plan, Session
from ..bench.peer import Peer
from ..bench.rig import Rig
from ..building import PRESETS, build, ensure_installed
from ..console import Trouble, run, say
from ..servers import Servers

EPILOG = """\
parts (default: all):
{parts}

examples:
  scripts/bench --quick                three minutes: rates and latency
  scripts/bench rates --reps 5         one part only
  scripts/bench --beside ../peer       with a comparator, in turn (its run.sh measures it on servers of its own)
  scripts/bench --json result.json     the same figures for programs
  scripts/bench --page deploy/speed.md the page about them, with what more carts take
  scripts/bench shapes --onto result.json --json result.json   one part anew, the others as they were

All parts together take about 55 minutes and 40 GB under /var/tmp, 12 GB of which stay in .run/bench.

Everything runs on this machine: servers (quorum queues, confirms, fsync), fleet, load and the sellers' consumer. Rates
are taken from the first to the last message to a seller, with the carts waiting in the queue when the fleet starts;
latency from the moment at which a cart was due (an open model) to the moment at which its seller has the message. Every
run is verified. Machines differ and drift: compare only what was measured in turn.
"""


def main() -> int:
    options = _parse()
    ensure_installed()
    build(options.preset, ("all", "load"))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cartwright-bench-", dir="/var/tmp")))
        folder.chmod(0o755)
        peer = stack.enter_context(Peer(options.beside, _scratch())) if options.beside else None
        servers = stack.enter_context(Servers(folder / "run"))
        plan = Plan(options.preset, options.carts, options.reps, options.seconds, options.quick,
                    run_directory.default_path() / "bench", peer)
        session = Session(Rig(servers, options.preset), plan, _figures(options.earlier))
        result = _measure(session, options)
    report.print_table(result)
    if options.page and "rates" in result:
        options.page.write_text(page.text(result))
    for file in filter(None, (options.json, options.page)):
        say(f"  {file} has the figures")
    return 0 if not result["violations"] else 1


def _measure(session: Session, options: argparse.Namespace) -> dict:
    """A part that can't be measured leaves the others their turn, and what was measured is kept whatever comes."""
    began, result, earlier = time.monotonic(), {}, options.earlier
    command = shlex.join(["scripts/bench", *sys.argv[1:]])
    _attempt(session, "the warm-up", session.warm_up)
    for name in options.parts:
        _attempt(session, name, lambda work=PARTS[name].work: work(session))
        result = {"machine": _machine(), "command": earlier.get("command", command),
                  "again": [*earlier["again"], command] if earlier else [],
                  "took_s": earlier.get("took_s", 0) + round(time.monotonic() - began), **session.result,
                  "violations": earlier.get("violations", []) + session.rig.violations}
        if options.json:
            goals = [row._asdict() for row in report.rows(result)]
            options.json.write_text(json.dumps({**result, "table": goals}, indent=2) + "\n")
    return result


def _figures(result: dict) -> dict:
    """What the parts measured."""
    about = {"machine", "command", "again", "took_s", "violations", "table"}
    return {name: figures for name, figures in result.items() if name not in about}


def _earlier(file: Path | None) -> dict:
    """What an earlier run wrote with --json."""
    if file is None:
        return {}
    try:
        return {"again": [], **json.loads(file.read_text())}
    except (OSError, TypeError, ValueError) as error:
        raise Trouble(f"{file} can't be read: {error}", "name a file that --json wrote") from None


def _attempt(session: Session, what: str, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        say(f"{what} could not be measured: {error if isinstance(error, Trouble) else traceback.format_exc()}")
        session.rig.violations.append(f"{what} could not be measured: {(str(error) or repr(error)).splitlines()[0]}")
        session.rig.end_loads()


def _scratch() -> Path:
    """Where the comparator keeps its servers' files: every account has to be able to enter it."""
    return Path(os.environ.get("PEERS_TMP") or Path(tempfile.gettempdir()) / "cartwright-peer")


def _machine() -> dict:
    models = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    return {"cpus": os.cpu_count(), "model": models[0] if models else platform.machine(),
            "load_average": os.getloadavg()[0],
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)}


def _parse() -> argparse.Namespace:
    listed = "\n".join(f"  {part.name.ljust(11)}{part.help}" for part in PARTS.values())
    parser = argparse.ArgumentParser(prog="scripts/bench", epilog=EPILOG.format(parts=listed),
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Measures what the fleet does on this machine, and what holds it.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="some of the parts below")
    parser.add_argument("--quick", action="store_true", help="the most telling parts, in three minutes")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="a comparator to be measured in turn")
    parser.add_argument("--carts", type=_positive, default=40_000, help="carts in a throughput run (default: 40000)")
    parser.add_argument("--reps", type=_positive, help="runs of each, of which the median counts (default: 3, quick 2)")
    parser.add_argument("--seconds", type=_positive, help="length of a latency run (default: 20, quick 8)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page about them, as Markdown")
    parser.add_argument("--onto", type=Path, metavar="FILE",
                        help="take the figures of other parts from what --json wrote earlier")
    parser.add_argument("--preset", choices=PRESETS, default="release")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        raise Trouble(f"there is no part {', '.join(sorted(unknown))}", f"parts: {', '.join(PARTS)}")
    options.earlier = _earlier(options.onto)
    for file in filter(None, (options.json, options.page)):
        _writable(file)
    options.parts = options.parts or [part.name for part in PARTS.values() if part.quick or not options.quick]
    options.reps = options.reps or (2 if options.quick else 3)
    options.seconds = options.seconds or (8 if options.quick else 20)
    if options.page and "rates" not in options.parts and "rates" not in options.earlier:
        raise Trouble("--page needs the part rates", f"scripts/bench {' '.join(['rates', *options.parts])} --page …")
    return options


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _writable(file: Path) -> None:
    try:
        file.touch()
    except OSError as error:
        raise Trouble(f"{file} can't be written: {error.strerror}", "name a file in a folder that is there") from None


run(main)
