"""scripts/down"""

import argparse
from pathlib import Path

from ..console import Trouble, paint, run, say, step
from ..fleet import Fleet
from ..run_directory import REPOSITORY, default_path
from ..servers import Servers

EXAMPLES = """\
examples:
  scripts/down                          what scripts/up started; its data stays for scripts/up --keep
  scripts/down --run-dir /tmp/second    another environment
  scripts/down --destroy                stop, and remove data and logs too
  scripts/down --all                    also the environments that scripts/test --keep left
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/down", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Stops the workers (SIGTERM: they drain), then the servers, each by its own pid.")
    parser.add_argument("--run-dir", default=default_path(), metavar="DIR",
                        help="the environment (default: CARTWRIGHT_RUN_DIR or .run)")
    parser.add_argument("--destroy", action="store_true", help="remove the environment's data and logs")
    parser.add_argument("--all", action="store_true", help="also every environment of scripts/test in .run")
    options = parser.parse_args()
    status = _stop(Servers(options.run_dir), options.destroy)
    if options.all:
        for path in sorted((REPOSITORY / ".run").glob("test-*/pids")):
            status |= _stop(Servers(path.parent), destroy=True)
    return status


def _stop(servers: Servers, destroy: bool) -> int:
    """Stops one environment; 1 if a worker did not drain (everything is stopped all the same)."""
    status = 0
    if not _anything(servers):
        say(f"nothing runs in {_shown(servers.run.path)}")
    else:
        status = _stop_workers(Fleet(servers).attach())
        with step(f"stopping the servers in {_shown(servers.run.path)}"):
            servers.stop()
    if destroy and servers.run.path.exists():
        with step(f"removing {_shown(servers.run.path)}"):
            servers.destroy()
    return status


def _stop_workers(fleet: Fleet) -> int:
    running = fleet.running()
    if not running:
        return 0
    try:
        with step(f"stopping {', '.join(worker.label for worker in running)}"):
            fleet.stop()
    except Trouble as trouble:
        say(paint("red", "error: ") + str(trouble))
        return 1
    return 0


def _anything(servers: Servers) -> bool:
    return bool(servers.run.records())


def _shown(path: Path) -> Path:
    return path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path


run(main)
