"""Servers with a market, the fleet on them, and the load: what every part of the benchmark works with."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator, Mapping

from .. import operator_command
from ..console import Trouble
from ..fleet import CONFIG, Fleet
from ..reset import amqp_connection, mariadb_connection, postgres_connection, purge_queues
from ..run_directory import REPOSITORY
from ..servers import Servers
from .market import Market

GIVE_UP_AFTER_S = 900
SELLERS_QUEUES = 8
FLEET_QUEUES = ("reserver.carts", "reserver.movements", "splitter.orders", "router.seller-messages")
WORKERS = ("reserver", "splitter", "router")
ONE_OF_EACH = {name: 1 for name in WORKERS}
_POLL_S = 0.05


@dataclasses.dataclass
class Usage:
    """CPU seconds by program since some moment, and the most memory a worker has had."""

    cpu_s: dict[str, float]
    resident_bytes: dict[str, int]

    def since(self, before: Usage) -> dict[str, float]:
        return {name: cpu - before.cpu_s.get(name, 0) for name, cpu in self.cpu_s.items()}


class Rig:
    """One environment. Parts run on it one after the other, each from shelves that are full again."""

    def __init__(self, servers: Servers, preset: str, history_rows: int = 0):
        self.servers, self.preset = servers, preset
        self.history_rows = history_rows
        self.violations: list[str] = []
        self._catalogue: tuple[int, int] | None = None
        self.run = 0  # which load it is: part of its order ids
        operator_command.prepare(servers, preset)

    @property
    def amqp_url(self) -> str:
        return self.servers.rabbitmq.url

    def restock(self, market: Market) -> None:
        """No orders, full shelves, empty queues; the catalogue if it is another one. No worker runs."""
        if self._catalogue != (market.skus, market.sellers):
            with contextlib.closing(mariadb_connection(self.servers)) as connection:
                market.write_catalogue(connection)
            self._catalogue = (market.skus, market.sellers)
        with contextlib.closing(postgres_connection(self.servers)) as connection, connection.cursor() as cursor:
            market.fill_shelves(cursor, self.history_rows)
        purge_queues(self.servers)
        self.next_run()

    def next_run(self) -> Rig:
        """Carts from now on have other order ids."""
        self.run += 1
        return self

    @contextlib.contextmanager
    def fleet(self, replicas: Mapping[str, int] | None = None, config: Path | None = None, wait: bool = True) -> Iterator[Fleet]:
        """Workers, drained at the end; `wait` for them to be ready."""
        with Fleet(self.servers, self.preset, config or CONFIG) as fleet:
            replicas = replicas or ONE_OF_EACH
            if wait:
                fleet.start_all(replicas)
            else:
                for name, count in replicas.items():
                    for _ in range(count):
                        fleet.add(name).launch()
            yield fleet

    def load(self, command: str, *arguments: str) -> dict:
        """Runs the load to its end; what it measured."""
        return self.begin_load(command, *arguments).result()

    def begin_load(self, command: str, *arguments: str) -> Load:
        return Load(REPOSITORY / "build" / self.preset / "bin/load", [command, *arguments])

    def carts(self, market: Market, *more: str) -> list[str]:
        """Arguments of a load that sends carts of this run."""
        return ["--amqp", self.amqp_url, "--run", str(self.run), "--seed", str(self.run), *market.arguments(), *more]

    def usage(self, fleet: Fleet) -> Usage:
        cpu, memory = {name: 0.0 for name in WORKERS}, {name: 0 for name in WORKERS}
        for worker in fleet.workers:
            used = worker.usage()
            cpu[worker.name] += used["cpu_s"]
            memory[worker.name] = max(memory[worker.name], used["resident_bytes"])
        for server in self.servers.all:
            cpu[server.name] = server.process.usage()["cpu_s"]
        return Usage(cpu, memory)

    def depth(self, *queues: str) -> int:
        with contextlib.closing(amqp_connection(self.servers)) as connection:
            return depth_of(connection.channel(), queues or sellers_queues())

    def until_depth(self, enough, queues: tuple[str, ...] = ()) -> tuple[float, int]:
        """When the sellers' queues (or others) held enough, and how much that was."""
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        with contextlib.closing(amqp_connection(self.servers)) as connection:
            channel = connection.channel()
            while time.monotonic() < give_up_at:
                depth, at = depth_of(channel, queues or sellers_queues()), time.monotonic()
                if enough(depth):
                    return at, depth
                time.sleep(_POLL_S)
        raise Trouble(f"after {GIVE_UP_AFTER_S} s the queues hold {depth} messages",
                      f"look into the workers' logs under {self.servers.run.log}")

    def rows(self, sql: str) -> list[tuple]:
        with contextlib.closing(postgres_connection(self.servers)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()


class Load:
    """The load program while it runs."""

    def __init__(self, program: Path, arguments: list[str]):
        if not program.exists():
            raise Trouble(f"there is no {program}", "scripts/build")
        self._what = " ".join([program.name, *arguments[:1]])
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._log: list[str] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_listening(self) -> None:
        if not self._listening.wait(30):
            raise Trouble(f"{self._what} does not listen\n" + "".join(self._log))

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.terminate()

    def result(self) -> dict:
        output = self._process.stdout.read()
        status = self._process.wait()
        self._reader.join(5)
        if status != 0:
            raise Trouble(f"{self._what} ended with status {status}\n" + "".join(self._log[-15:]))
        return json.loads(output.splitlines()[-1])

    def _read(self) -> None:
        for line in self._process.stderr:
            if line == "listening\n":
                self._listening.set()
            self._log.append(line)


def sellers_queues() -> tuple[str, ...]:
    return tuple(f"sellers.{number:02d}" for number in range(SELLERS_QUEUES))


def depth_of(channel, queues) -> int:
    """Messages that wait in queues, those with a consumer not counted."""
    return sum(channel.queue_declare(queue, passive=True).method.message_count for queue in queues)
