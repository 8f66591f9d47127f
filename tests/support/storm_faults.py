"""What a storm throws at PostgreSQL, at MariaDB and at the workers themselves. RabbitMQ's are in storm_broker."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import pymysql

from environment import Environment
from lib.fleet import Worker, worker_names
from lib.postgres import DATABASE
from lib.reset import mariadb_connection, postgres_connection
from storm import Faults, Storm

_FULL = """
CREATE TABLE IF NOT EXISTS storm_full (relation text PRIMARY KEY);
CREATE OR REPLACE FUNCTION storm_disk() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM storm_full WHERE relation = TG_TABLE_NAME) THEN
        RAISE EXCEPTION 'could not extend file: no space left on device' USING ERRCODE = '53100';
    END IF;
    RETURN NULL;
END $$;
"""
_WRITTEN = ("orders", "stock_position", "stock_event", "reservation", "held_line", "inbox", "seller_stream",
            "seller_message", "seller_delivery")


def _limit_connections(number: int) -> list[str]:
    return [f"ALTER ROLE cartwright_{name} CONNECTION LIMIT {number}" for name in worker_names()]


class PostgresFaults(Faults):
    """PostgreSQL is away in every way, refuses to write, or keeps its rows locked."""

    name = "postgresql"

    def __init__(self, storm: Storm, environment: Environment):
        super().__init__(storm)
        self._environment = environment
        self._server = environment.servers.postgres

    def install(self) -> None:
        """The disk that can be full; `remove` takes it away again."""
        self._run(_FULL, *(f"CREATE TRIGGER storm_disk AFTER INSERT OR UPDATE ON {table} EXECUTE FUNCTION storm_disk()"
                           for table in _WRITTEN))

    def remove(self) -> None:
        self._run("DROP FUNCTION IF EXISTS storm_disk() CASCADE", "DROP TABLE IF EXISTS storm_full",
                  *_limit_connections(-1), "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")

    def fault_restart(self) -> None:
        self.log("fast shutdown")
        self._server.stop()
        self.hold(0, 3)
        self._server.start()
        self.log("started")

    def fault_immediate(self) -> None:
        self.log("immediate shutdown")
        if process := self._server.process:
            process.terminate(signal.SIGQUIT)
        self.hold(0, 3)
        self._server.start()
        self.log("started")

    def fault_killed(self) -> None:
        self.log("kill -9")
        self._server.kill()
        self.hold(0, 5)
        self._server.start()
        self.log("started")

    def fault_frozen(self) -> None:
        self.log("frozen")
        self._server.freeze()
        self.hold(1, 12)
        self._server.thaw()
        self.log("thawed")

    def fault_sessions_ended(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            self.log(f"{self._end_sessions()} sessions ended")
            self.hold(0.01, 1)

    def fault_refuses(self) -> None:
        self.log("takes no sessions")
        self._run(*_limit_connections(0))
        self._end_sessions()
        self.hold(1, 5)
        self._run(*_limit_connections(-1))
        self.log("takes sessions again")

    def fault_read_only(self) -> None:
        self.log("read-only")
        self._run("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        self.hold(1, 5)
        self._run("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
        self.log("writable again")

    def fault_disk_full(self) -> None:
        tables = self.chance.sample(_WRITTEN, self.chance.choice((1, 1, 2, len(_WRITTEN))))
        self.log(f"disk full for {', '.join(tables)}")
        self._run(*(f"INSERT INTO storm_full VALUES ('{table}') ON CONFLICT DO NOTHING" for table in tables))
        self.hold(1, 6)
        self._run("DELETE FROM storm_full")
        self.log("disk has room")

    def fault_locked(self) -> None:
        """For longer than the workers' lock_timeout now and then."""
        table = self.chance.choice(_WRITTEN)
        with contextlib.closing(postgres_connection(self._environment.servers)) as connection:
            connection.autocommit = False
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20s'")
                cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
                self.log(f"{table} locked")
                self.hold(1, 14)
            connection.rollback()
        self.log(f"{table} unlocked")

    def _end_sessions(self) -> int:
        with contextlib.closing(postgres_connection(self._environment.servers)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                               "WHERE usename ~ '^cartwright_' AND datname = %s", (DATABASE,))
                return cursor.fetchone()[0]

    def _run(self, *statements: str) -> None:
        with contextlib.closing(postgres_connection(self._environment.servers)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET default_transaction_read_only = off")
                for statement in statements:
                    cursor.execute(statement)


class CatalogueFaults(Faults):
    """MariaDB is away, or its tables are locked."""

    name = "mariadb"

    def __init__(self, storm: Storm, environment: Environment):
        super().__init__(storm)
        self._environment = environment
        self._server = environment.servers.mariadb

    def fault_restart(self) -> None:
        self.log("stops")
        self._server.stop()
        self.hold(0, 3)
        self._server.start()
        self.log("started")

    def fault_killed(self) -> None:
        self.log("kill -9")
        self._server.kill()
        self.hold(0, 5)
        self._server.start()
        self.log("started")

    def fault_frozen(self) -> None:
        self.log("frozen")
        self._server.freeze()
        self.hold(1, 12)
        self._server.thaw()
        self.log("thawed")

    def fault_sessions_ended(self) -> None:
        with contextlib.closing(mariadb_connection(self._environment.servers)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'cartwright'")
                for (session,) in cursor.fetchall():
                    with contextlib.suppress(pymysql.err.Error):
                        cursor.execute(f"KILL CONNECTION {session}")
        self.log("sessions ended")

    def fault_locked(self) -> None:
        with contextlib.closing(mariadb_connection(self._environment.servers)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLES offer WRITE, seller WRITE, warehouse WRITE")
                self.log("locked")
                self.hold(1, 8)
                cursor.execute("UNLOCK TABLES")
        self.log("unlocked")


class WorkerFaults(Faults):
    """Workers die, are frozen past every time limit, are told to stop; who ends otherwise is found out."""

    name = "workers"
    pause_s = (0.2, 2.5)

    def __init__(self, storm: Storm, workers: list[Worker]):
        super().__init__(storm)
        self._workers = workers
        self._meant_to_run = {worker.label: worker for worker in workers}
        self._lock = threading.Lock()
        self.ended_by_themselves: list[str] = []
        self.resident_bytes_max = 0

    def rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look_after()
            time.sleep(0.2)

    def look_after(self) -> None:
        """Starts again whoever ended by itself, as a supervisor would, and writes it down."""
        for worker in list(self._meant_to_run.values()):
            if worker.running():
                self.resident_bytes_max = max(self.resident_bytes_max, worker.usage()["resident_bytes"])
                continue
            status = worker.wait_exit(1)
            last = worker.log.read_bytes().decode(errors="replace").splitlines()[-1:]
            self.log(f"{worker.label} ended by itself, status {status}: {last}")
            # The command takes the version's mark away while it changes the topology: who starts just then may not.
            if status != 1 or not last or "cartwright topology apply" not in last[0]:
                self.ended_by_themselves.append(f"{worker.label}, status {status}: {last}")
            worker.launch()

    def fault_killed(self) -> None:
        self._kill([self.chance.choice(self._workers)])

    def fault_killed_again_and_again(self) -> None:
        worker = self.chance.choice(self._workers)
        for _ in range(self.chance.randint(2, 4)):
            self._kill([worker])
            self.hold(0.1, 1)

    def fault_all_of_a_kind_killed(self) -> None:
        name = self.chance.choice(sorted({worker.name for worker in self._workers}))
        self._kill([worker for worker in self._workers if worker.name == name])

    def fault_frozen(self) -> None:
        """For longer than the database lets a session idle in a transaction, and the broker a connection."""
        worker = self.chance.choice(self._workers)
        self.log(f"{worker.label} frozen")
        worker.freeze()
        self.hold(2, 5) if self.chance.random() < 0.4 else self.hold(16, 25)
        worker.thaw()
        self.log(f"{worker.label} thawed")

    def fault_stopped(self) -> None:
        """Gracefully, whatever else is broken: it exits within its deadline."""
        worker = self.chance.choice(self._workers)
        self.log(f"{worker.label} told to stop")
        began = time.monotonic()
        del self._meant_to_run[worker.label]
        worker.terminate()
        status = worker.wait_exit(30)
        self.log(f"{worker.label} stopped with status {status} after {time.monotonic() - began:.1f} s")
        if status not in (0, 1):  # 1: not everything could be finished in time
            self.ended_by_themselves.append(f"{worker.label}, status {status} on SIGTERM")
        worker.launch()
        self._meant_to_run[worker.label] = worker

    def _kill(self, workers: list[Worker]) -> None:
        self.log(f"kill -9 of {', '.join(worker.label for worker in workers)}")
        for worker in workers:
            worker.kill()
        self.hold(0, 2)
        for worker in workers:
            worker.launch()
