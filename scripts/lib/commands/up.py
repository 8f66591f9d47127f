"""scripts/up"""

import argparse
import urllib.parse

from .. import operator_command
from ..building import PRESETS, build, ensure_installed
from ..console import paint, run, say, step
from ..fleet import Fleet, worker_names
from ..run_directory import REPOSITORY, default_path
from ..servers import Servers

EXAMPLES = """\
examples:
  scripts/up                          servers and one replica of each worker
  scripts/up --reserver 2 --router 3  more replicas
  scripts/up --servers-only           RabbitMQ, PostgreSQL and MariaDB, schema and topology, no workers
  scripts/up --run-dir /tmp/second    a second environment beside the first
  . .run/env && psql "$POSTGRES_ADMIN_URL"

Run again while it is up, it keeps the servers and their data and replaces the workers by newly built ones.
scripts/down stops everything.
"""


def main() -> None:
    options = _parse()
    ensure_installed()
    if not options.no_build:
        build(options.preset)
    servers = Servers(options.run_dir)
    _start_servers(servers, options.keep)
    fleet = Fleet(servers, options.preset)
    try:
        with step("schema and topology"):
            operator_command.prepare(servers, options.preset)
        if not options.servers_only:
            _start_workers(fleet, {name: getattr(options, name.replace("-", "_")) for name in worker_names()})
    except BaseException:
        say(f"the servers go on running; scripts/down{_run_dir_option(servers)} stops them")
        raise
    _explain(servers, fleet)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/up", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Starts throw-away RabbitMQ, PostgreSQL and MariaDB on free loopback ports, and the "
                    "workers against them. Installs and builds what is missing first. Touches no server of "
                    "the system.")
    for name in worker_names():
        parser.add_argument(f"--{name}", type=int, default=1, metavar="N",
                            help=f"replicas of {name} (default: 1)")
    parser.add_argument("--servers-only", action="store_true", help="start no workers")
    parser.add_argument("--keep", action="store_true", help="continue with the data of the last run")
    parser.add_argument("--run-dir", default=default_path(), metavar="DIR",
                        help="where data, logs and pids live (default: CARTWRIGHT_RUN_DIR or .run)")
    parser.add_argument("--preset", choices=PRESETS, default="release", help="which build to run")
    parser.add_argument("--no-build", action="store_true", help="run what is built already")
    return parser.parse_args()


def _start_servers(servers: Servers, keep: bool) -> None:
    if servers.running():
        say("the servers run already: their data is kept")
        with step("stopping the workers of before"):
            Fleet(servers).attach().stop()
        return
    with step("starting RabbitMQ, PostgreSQL, MariaDB"):
        servers.start(fresh=not keep)


def _start_workers(fleet: Fleet, replicas: dict[str, int]) -> None:
    wanted = ", ".join(f"{count} {name}" for name, count in replicas.items())
    with step(f"starting {wanted}"):
        fleet.start_all(replicas)


def _explain(servers: Servers, fleet: Fleet) -> None:
    def row(name: str, text: str) -> None:
        say(f"  {paint('bold', name.ljust(12))}{text}")

    run_path = servers.run.path
    shown = run_path.relative_to(REPOSITORY) if run_path.is_relative_to(REPOSITORY) else run_path
    management = urllib.parse.urlsplit(servers.urls["MANAGEMENT_URL"])
    say()
    row("RabbitMQ", servers.urls["AMQP_URL"])
    row("", f"http://127.0.0.1:{management.port} in a browser, guest / guest")
    row("PostgreSQL", f"psql {servers.urls['POSTGRES_ADMIN_URL']}")
    row("MariaDB", f"{_mariadb_client(servers.urls['MARIADB_ADMIN_URL'])}")
    for worker in fleet.workers:
        row(worker.label, f"http://127.0.0.1:{worker.http_port}/metrics   {shown}/log/{worker.label}.log")
    say()
    say(f"in a shell:  . {shown}/env")
    say(f"stop it:     scripts/down{_run_dir_option(servers)}")


def _run_dir_option(servers: Servers) -> str:
    return "" if servers.run.path == REPOSITORY / ".run" else f" --run-dir {servers.run.path}"


def _mariadb_client(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"mariadb -h {parts.hostname} -P {parts.port} -u {parts.username} -p{parts.password} cartwright"


run(main)
