"""What an integration test imports: real servers, empty at the start of each test, and workers to run.

    from environment import EnvironmentTest, wait_for

    class ReserveTest(EnvironmentTest):
        def test_a_cart_is_answered(self):
            self.fleet.start("reserver")
            channel = self.environment.amqp().channel()
            channel.basic_publish("carts", "cart.submitted", …)
            wait_for(lambda: self.environment.rows("SELECT FROM orders WHERE state = 'ready'"))

scripts/test runs the files tests/integration/*_test.py against servers it started once. One file alone is
`scripts/test -k reserve`. Without scripts/test, servers are started when the first test asks for them:
`PYTHONPATH=tests/support /usr/bin/python3 -m unittest tests/integration/reserve_test.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
import unittest
from pathlib import Path
from typing import Callable, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from lib import reset  # noqa: E402
from lib.console import Trouble  # noqa: E402
from lib.fleet import Fleet, default_preset  # noqa: E402
from lib.operator_command import cartwright  # noqa: E402
from lib.servers import Servers, attach  # noqa: E402
from lib.testing import environments  # noqa: E402
from lib.testing.sanitizers import slowness  # noqa: E402

Answer = TypeVar("Answer")
_shared: list[Environment] = []
_LEAVING_WITHIN_S = 10
_TURNS_MAX = 3


class Environment:
    """Servers with schema and topology in place. `fresh` closes the connections opened here."""

    def __init__(self, servers: Servers):
        self.servers = servers
        self.fleet = Fleet(servers)
        self._connections: list = []

    def amqp(self, program: str = ""):
        """A pika.BlockingConnection, as an administrator or as a program of the fleet."""
        return self._opened(reset.amqp_connection(self.servers, program))

    def postgres(self, program: str = ""):
        """A psycopg2 connection with autocommit, as an administrator or as a program of the fleet."""
        return self._opened(reset.postgres_connection(self.servers, program))

    def mariadb(self, admin: bool = True):
        """A pymysql connection with autocommit; `admin=False` is the reserver's account, which reads."""
        return self._opened(reset.mariadb_connection(self.servers, admin))

    def rows(self, sql: str, parameters: tuple = ()) -> list[tuple]:
        """The rows of one PostgreSQL query, on a connection of its own."""
        with contextlib.closing(reset.postgres_connection(self.servers)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall()

    def depth(self, queue: str) -> int:
        """Messages ready in a queue now (0 while a broker recovers it); management is seconds behind."""
        with contextlib.closing(reset.amqp_connection(self.servers)) as connection:
            return connection.channel().queue_declare(queue, passive=True).method.message_count

    def cartwright(self, *arguments: str) -> str:
        """Runs the operator's command; its output, lib.console.Trouble if it fails."""
        return cartwright(self.servers, *arguments, preset=default_preset())

    def fresh(self) -> None:
        """Kills the workers, revives the servers, empties queues and tables (not the schema's version)."""
        self.close_connections()
        self.fleet.kill()
        environments.tidy(self.servers)

    def leave(self) -> None:
        """No worker and no connection remains. Under sanitizers workers end by themselves where they can: only
        then are leaks looked for and what ran is written down."""
        self.close_connections()
        if slowness() > 1:
            with contextlib.suppress(Trouble):
                self.fleet.stop(_LEAVING_WITHIN_S)
        self.fleet.kill()

    def close_connections(self) -> None:
        """Closes what amqp(), postgres() and mariadb() opened."""
        for connection in self._connections:
            with contextlib.suppress(Exception):
                connection.close()
        self._connections.clear()

    def _opened(self, connection):
        self._connections.append(connection)
        return connection


class EnvironmentTest(unittest.TestCase):
    """A test that begins with empty servers and no workers, and leaves no worker behind."""

    def setUp(self) -> None:
        self.environment = shared()
        self.environment.fresh()
        self.addCleanup(self._leave)

    @property
    def fleet(self) -> Fleet:
        return self.environment.fleet

    def assert_drained(self, market) -> None:
        """Stops the fleet; nothing is violated after it.

        The counts of queues say nothing of what workers have in hand, and who drains may publish once more what
        is long done, to workers that have stopped already: what is left gets another turn of the same fleet. It
        can be nothing but repeats: whatever else is promised holds already.
        """
        for _ in range(_TURNS_MAX):
            workers = self.fleet.running()
            self.fleet.stop()
            found = [violation for violation in market.violations() if "messages are left" not in violation]
            self.assertEqual([], found[:20], "after the workers drained")
            if not market.left_inside():
                break
            self.fleet.resume(workers)
            wait_for(lambda: not market.left_inside(), what="what was left to be done")
        self.assertEqual([], market.violations()[:20], "after the workers drained")

    def _leave(self) -> None:
        self.environment.leave()


def shared() -> Environment:
    """The environment of this process: that of CARTWRIGHT_RUN_DIR, else one of its own, made now."""
    if not _shared:
        if os.environ.get("CARTWRIGHT_RUN_DIR"):
            servers = attach()
        else:
            context = environments.test_environment(keep=False, name=f"{default_preset()}/alone")
            servers = context.__enter__()
            atexit.register(context.__exit__, None, None, None)
            environments.prepare(servers, default_preset())
        _shared.append(Environment(servers))
    return _shared[0]


def wait_for(condition: Callable[[], Answer], timeout_s: float = 30, what: str = "") -> Answer:
    """Calls the condition until it is true and returns its answer; AssertionError when the time is over."""
    deadline = time.monotonic() + timeout_s * slowness()
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s for {what or 'a condition'}: {answer!r}")
        time.sleep(0.02)
    return answer
