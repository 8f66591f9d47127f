"""scripts/build"""

import argparse

from ..building import PRESETS, build, ensure_installed
from ..console import run, say
from ..run_directory import REPOSITORY

EXAMPLES = """\
examples:
  scripts/build                       optimised, into build/release
  scripts/build --preset asan         with AddressSanitizer and UndefinedBehaviorSanitizer, into build/asan
  scripts/build reserver splitter     these two only
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/build", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Builds Cartwright. Installs missing Debian packages first; compiles only what changed.")
    parser.add_argument("targets", nargs="*", help="what to build (default: everything)")
    parser.add_argument("--preset", choices=PRESETS, default="release",
                        help="kind of build (default: release)")
    parser.add_argument("--jobs", "-j", type=int, default=0, metavar="N",
                        help="compilations at once (default: one a core, as far as memory allows)")
    options = parser.parse_args()
    ensure_installed()
    folder = build(options.preset, tuple(options.targets), options.jobs)
    say(f"programs are in {(folder / 'bin').relative_to(REPOSITORY)}")


run(main)
