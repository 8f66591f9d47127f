"""scripts/demo"""

import argparse
from pathlib import Path

from ..building import PRESETS, build, ensure_installed
from ..console import run
from ..run_directory import default_path

EXAMPLES = """\
examples:
  scripts/demo                              about a minute, made-up carts
  scripts/demo --carts 2000 --seed 7        a short one; the same seed gives the same carts
  scripts/demo --olist ~/olist              real orders of a Brazilian marketplace, in their real order
  scripts/demo --olist ~/olist --join 3     each three neighbouring orders as one cart: more sellers a cart
  scripts/demo --keep                       leaves everything running, to look at

Starts RabbitMQ, PostgreSQL and MariaDB of its own on free loopback ports, and the workers; sellers then
change stock and prices while carts flow, some carts are repeated, cancelled, held, broken. At the end the
databases and what the sellers wrote down are compared with what was sent. Exit status 0 only if every
promise held.
"""


def main() -> int:
    options = _parse()
    ensure_installed()
    if not options.no_build:
        build(options.preset)
    from ..demonstration.show import Show  # needs modules that may just have been installed
    return Show(options).run()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Shows the fleet at work and checks that its promises held.")
    parser.add_argument("--carts", type=_positive, metavar="N",
                        help="how many (default: about a minute's worth; with "
                                                                     "--olist all)")
    parser.add_argument("--seed", type=int, default=1, metavar="S",
                        help="of everything that is made up (default: 1)")
    parser.add_argument("--olist", type=Path, metavar="DIR",
                        help="replay real orders: the folder with order_items.csv "
                                                                  "and its neighbours, gzipped or not")
    parser.add_argument("--join", type=_positive, default=1, metavar="N",
                        help="with --olist: N neighbouring orders are "
                                                                              "one cart")
    parser.add_argument("--replicas", type=_positive, default=2, metavar="R",
                        help="of each worker (default: 2)")
    parser.add_argument("--keep", action="store_true", help="leave servers and workers running")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary as JSON too")
    parser.add_argument("--run-dir", type=Path, default=default_path() / "demo", metavar="DIR",
                        help="where data, logs and what was published are kept (default: .run/demo)")
    parser.add_argument("--preset", choices=PRESETS, default="release", help="which build to run")
    parser.add_argument("--no-build", action="store_true", help="run what is built already")
    options = parser.parse_args()
    if options.join > 1 and not options.olist:
        parser.error("--join goes with --olist")
    return options


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    run(main)
