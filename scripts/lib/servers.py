"""The three throw-away servers of an environment: RabbitMQ, PostgreSQL and MariaDB on loopback.

    with Servers("/tmp/x") as servers:          # starts all three in a few seconds, stops them at the end
        servers.urls["AMQP_URL"]
        servers.rabbitmq.kill(); servers.rabbitmq.start()

Any number of environments may run side by side, each in its own run directory on its own ports.
"""

from __future__ import annotations

import concurrent.futures
import secrets
import shlex
import threading
from pathlib import Path

from . import ports, processes
from .console import Trouble
from .mariadb import MariaDb
from .postgres import Postgres
from .processes import uninterrupted, write_atomically
from .rabbitmq import RabbitMq
from .run_directory import RunDirectory
from .server import Cancelled, Server

PORT_NAMES = ("amqp", "management", "distribution", "epmd", "postgres", "mariadb")
PROGRAMS = ("reserver", "splitter", "router", "operator")  # each has an account of its own on every server


class Servers:
    """One environment. The object may be made for a new environment or for one that runs already."""

    def __init__(self, run_directory: Path | str | None = None):
        """`run_directory`: default CARTWRIGHT_RUN_DIR, else `.run` in the repository."""
        self.run = RunDirectory(run_directory)
        self._cancel = threading.Event()
        state = self._state = self.run.read_state()
        self.rabbitmq = RabbitMq(self.run, state, self._cancel)
        self.postgres = Postgres(self.run, state, self._cancel)
        self.mariadb = MariaDb(self.run, state, self._cancel)

    def __enter__(self) -> Servers:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def all(self) -> tuple[Server, ...]:
        return (self.rabbitmq, self.postgres, self.mariadb)

    def running(self) -> bool:
        """True if all three run."""
        return all(server.running() for server in self.all)

    def start(self, fresh: bool = True) -> None:
        """Starts the three in parallel and writes <run>/env.

        Ends what a crashed run left in this directory, servers and workers. `fresh` throws its data away;
        else the servers continue with it. If one fails, or on an interrupt, none is left running.
        """
        self.run.create()
        with self.run.locked():
            self._end_leftovers()
            if fresh:
                self.run.wipe()
            self._choose_ports_and_passwords()
            try:
                self._each(lambda server: server.start())
                self.write_env()
            except BaseException:
                with uninterrupted():
                    self._end_leftovers()
                raise

    def ensure_running(self) -> None:
        """Thaws and starts again, on its data, whatever was frozen, killed or stopped since `start`."""
        for server in self.all:
            server.thaw()
        self._each(lambda server: server.start())

    def stop(self) -> None:
        """Stops the three gracefully and removes <run>/env. Harmless if nothing runs."""
        if self.run.path.exists():
            with self.run.locked(), uninterrupted():
                self._stop_all()

    def destroy(self) -> None:
        """Ends everything in the run directory at once and removes it."""
        with uninterrupted():
            self._end_leftovers()
            self.run.destroy()
            ports.release(self.run.path)

    @property
    def urls(self) -> dict[str, str]:
        """The environment variables under which everything finds the servers; an administrator's, mostly."""
        return {"AMQP_URL": self.rabbitmq.url, "MANAGEMENT_URL": self.rabbitmq.management_url,
                "POSTGRES_URL": self.postgres.url("operator"), "POSTGRES_ADMIN_URL": self.postgres.admin_url,
                "MARIADB_URL": self.mariadb.url, "MARIADB_ADMIN_URL": self.mariadb.admin_url}

    def urls_of(self, program: str) -> dict[str, str]:
        """What a program of the fleet gets: its own accounts, and the catalogue if it reads that."""
        urls = {"AMQP_URL": self.rabbitmq.url_of(program), "POSTGRES_URL": self.postgres.url(program)}
        return urls | ({"MARIADB_URL": self.mariadb.url} if program == "reserver" else {})

    @property
    def passwords(self) -> dict[str, str]:
        """The environment variables from which `cartwright` takes the passwords of the accounts it makes."""
        return {f"CARTWRIGHT_{program.upper()}_PASSWORD": self._state["passwords"][program]
                for program in PROGRAMS}

    def write_env(self) -> None:
        """Writes <run>/env, for `. .run/env` in a shell, and <run>/env.reserver and so on for one program by hand."""
        for suffix, urls in (("", self.urls), *((f".{one}", self.urls_of(one)) for one in PROGRAMS)):
            lines = [f"export {name}={shlex.quote(url)}" for name, url in urls.items()]
            write_atomically(Path(f"{self.run.env}{suffix}"), "\n".join(lines) + "\n", mode=0o600)

    def _choose_ports_and_passwords(self) -> None:
        state = self._state
        state["ports"] = ports.allocate(PORT_NAMES, self.run.path, state.get("ports", {}))
        state.setdefault("mariadb_admin_password", secrets.token_hex(12))
        state.setdefault("passwords", {program: secrets.token_hex(12) for program in PROGRAMS})
        self.run.write_state(state)

    def _each(self, action) -> None:
        """The action on all three in parallel; the first real failure cancels the others and is raised."""
        self._cancel.clear()
        with concurrent.futures.ThreadPoolExecutor(len(self.all)) as pool:
            try:
                futures = [pool.submit(action, server) for server in self.all]
                concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            finally:
                self._cancel.set()
        errors = [error for future in futures if (error := future.exception()) is not None]
        self._cancel.clear()
        for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
            raise error

    def _stop_all(self) -> None:
        self._each(lambda server: server.stop())
        self.rabbitmq.stop_epmd()
        for path in self.run.path.glob("env*"):
            path.unlink()

    def _end_leftovers(self) -> None:
        """Kills every process that was ever started in this run directory and still runs."""
        for record in self.run.records():
            if (process := processes.load(record)) is not None:
                process.kill()
            record.unlink(missing_ok=True)
        processes.kill_marked(self.run.path)


def attach(run_directory: Path | str | None = None) -> Servers:
    """The environment that runs in the directory; Trouble if none does."""
    servers = Servers(run_directory)
    if not servers.running():
        raise Trouble(f"no servers run in {servers.run.path}", "scripts/up")
    return servers
