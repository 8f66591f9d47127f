"""A throw-away PostgreSQL 15 on loopback, durable as in production (fsync on), trust for everybody."""

from __future__ import annotations

import signal

from . import processes
from .server import Server

BINARIES = "/usr/lib/postgresql/15/bin"
DATABASE = "cartwright"

_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 512MB
max_wal_size = 8GB
checkpoint_timeout = 30min
fsync = on
synchronous_commit = on
full_page_writes = on
timezone = 'UTC'
log_timezone = 'UTC'
log_lock_waits = on
log_line_prefix = '%m [%p] %q%u@%d '
"""


class Postgres(Server):
    """PostgreSQL with the database `cartwright`; `cartwright migrate` makes the fleet's roles."""

    name = "postgres"
    title = "PostgreSQL"
    user = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, writes a checkpoint

    def url(self, program: str) -> str:
        """For a program of the fleet."""
        return f"postgresql://cartwright_{program}@127.0.0.1:{self.ports['postgres']}/{DATABASE}"

    @property
    def admin_url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.ports['postgres']}/{DATABASE}"

    def start(self) -> None:
        super().start()
        self._create_database()

    def ready(self) -> bool:
        import psycopg2
        try:
            self._connect().close()
            return True
        except psycopg2.OperationalError:
            return False

    def _prepare(self) -> None:
        self._make_folder()
        data = self.folder / "data"
        if not (self.folder / "initialised").exists():
            self._run_tool([f"{BINARIES}/initdb", "-D", data, "-A", "trust", "-U", "postgres",
                            "--locale=C", "-E", "UTF8", "--no-sync"])
            self._write("initialised", "")
        settings = self._write("cartwright.conf", _SETTINGS.format(port=self.ports["postgres"]))
        self._write("data/postgresql.auto.conf", "")
        self._write("data/postgresql.conf", f"include '{settings}'\n")

        self._remove_lock_of_the_dead()

    def _remove_lock_of_the_dead(self) -> None:
        """A killed postmaster that its parent has not reaped yet still holds the lock file, to PostgreSQL."""
        lock = self.folder / "data/postmaster.pid"
        if lock.exists() and processes.gone(int(lock.read_text().split("\n")[0])):
            lock.unlink()

    def _launch(self) -> None:
        self._spawn([f"{BINARIES}/postgres", "-D", self.folder / "data"])

    def _create_database(self) -> None:
        connection = self._connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
        connection.close()

    def _connect(self):
        import psycopg2
        return psycopg2.connect(host="127.0.0.1", port=self.ports["postgres"], user="postgres",
                                dbname="postgres", connect_timeout=2)
