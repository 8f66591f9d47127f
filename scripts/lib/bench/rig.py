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
_SELDOM_S = 0.25
_LOAD_ENDS_WITHIN_S = 3_600


@dataclasses.dataclass
class Usage:
    """CPU seconds by program since some moment, the memory of its largest process by worker, and what servers have
    written to disk."""

    cpu_s: dict[str, float]
    resident_bytes: dict[str, int]
    resident_bytes_max: dict[str, int]
    written_bytes: dict[str, int] = dataclasses.field(default_factory=dict)

    def cpu_ms_per_cart(self, before: Usage, carts: int) -> dict[str, float]:
        return {name: 1e3 * (cpu - before.cpu_s.get(name, 0)) / carts for name, cpu in self.cpu_s.items()}

    def written_kb_per_cart(self, before: Usage, carts: int) -> dict[str, float]:
        return {name: (written - before.written_bytes.get(name, 0)) / 1e3 / carts
                for name, written in self.written_bytes.items()}


class Rig:
    """One environment. Parts run on it one after the other, each from shelves that are full again."""

    def __init__(self, servers: Servers, preset: str, history_rows: int = 0):
        self.servers, self.preset = servers, preset
        self.history_rows = history_rows
        self.violations: list[str] = []
        self._catalogue: tuple[int, int] | None = None
        self._fleet: Fleet | None = None
        self._loads: list[Load] = []
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
    def fleet(self, replicas: Mapping[str, int] | None = None, config: Path | None = None,
              wait: bool = True) -> Iterator[Fleet]:
        """Workers, drained at the end; `wait` for them to be ready."""
        with Fleet(self.servers, self.preset, config or CONFIG) as fleet:
            replicas = replicas or ONE_OF_EACH
            if wait:
                fleet.start_all(replicas)
            else:
                for name, count in replicas.items():
                    for _ in range(count):
                        fleet.add(name).launch()
            self._fleet = fleet
            try:
                yield fleet
                self._fleet = None  # from here on workers may end
                self._drain(fleet)
            finally:
                self._fleet = None

    def _drain(self, fleet: Fleet) -> None:
        """In the order of the flow: what one worker had in hand the next one takes. Where a queue between them was
        full, sellers may have got everything out of the database before a message comes that was sent again."""
        for name, queue in zip(WORKERS, ("reserver.carts", "splitter.orders", "router.seller-messages")):
            if replicas := fleet.named(name):
                self.until_empty((queue,))
                for worker in replicas:
                    worker.stop()

    def check_workers(self) -> None:
        """Trouble if one has ended."""
        if self._fleet and (ended := [worker.label for worker in self._fleet.workers if not worker.running()]):
            raise Trouble(f"{', '.join(ended)} ended", f"look into its log under {self.servers.run.log}")

    def load(self, command: str, *arguments: str) -> dict:
        """Runs the load to its end; what it measured."""
        return self.begin_load(command, *arguments).result()

    def begin_load(self, command: str, *arguments: str) -> Load:
        self._loads = [load for load in self._loads if load.running()]
        load = Load(REPOSITORY / "build" / self.preset / "bin/load", [command, *arguments])
        self._loads.append(load)
        return load

    def end_loads(self) -> None:
        """Those that a failure left running."""
        for load in self._loads:
            load.kill()
        self._loads.clear()

    def carts(self, market: Market, *more: str) -> list[str]:
        """Arguments of a load that sends carts of this run."""
        return ["--amqp", self.amqp_url, "--run", str(self.run), "--seed", str(self.run), *market.arguments(), *more]

    def usage(self, fleet: Fleet) -> Usage:
        cpu, memory, most = ({name: 0 for name in WORKERS} for _ in range(3))
        for worker in fleet.workers:
            used = worker.usage()
            cpu[worker.name] += used["cpu_s"]
            memory[worker.name] = max(memory[worker.name], used["resident_bytes"])
            most[worker.name] = max(most[worker.name], used["resident_bytes_max"])
        written = {}
        for server in self.servers.all:
            if (process := server.process) is None:
                raise Trouble(f"{server.title} has ended", f"look into the logs under {self.servers.run.log}")
            used = process.usage()
            cpu[server.name], written[server.name] = used["cpu_s"], used["written_bytes"]
        return Usage(cpu, memory, most, written)

    def until_sellers_have(self, messages: int) -> tuple[float, int]:
        """When the sellers' queues held so many, and how many that were. Looks seldom until most are there: looking
        takes its share of the machine."""
        return self._until(sellers_queues(), lambda depth: depth >= messages,
                           lambda depth: _SELDOM_S if depth < 0.8 * messages else _POLL_S)

    def until_empty(self, queues: tuple[str, ...]) -> None:
        self._until(queues, lambda depth: depth == 0, lambda depth: _SELDOM_S)

    def _until(self, queues: tuple[str, ...], enough, pause_s) -> tuple[float, int]:
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        with contextlib.closing(amqp_connection(self.servers)) as connection:
            channel = connection.channel()
            while time.monotonic() < give_up_at:
                depth, at = sum(depths_of(channel, queues).values()), time.monotonic()
                if enough(depth):
                    return at, depth
                self.check_workers()
                time.sleep(pause_s(depth))
        raise Trouble(f"after {GIVE_UP_AFTER_S} s the queues hold {depth} messages",
                      f"look into the workers' logs under {self.servers.run.log}")

    def left_over(self) -> dict[str, int]:
        """Queues of the fleet, retries and parking included, that are not empty."""
        listed = self.servers.rabbitmq.management("GET", "/api/queues?columns=name,exclusive")
        names = [queue["name"] for queue in listed
                 if not queue.get("exclusive") and not queue["name"].startswith(("sellers.", "load."))]
        with contextlib.closing(amqp_connection(self.servers)) as connection:
            return {name: depth for name, depth in depths_of(connection.channel(), names).items() if depth}

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
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         text=True)
        self._log: list[str] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_listening(self) -> None:
        give_up_at = time.monotonic() + 30
        while not self._listening.wait(0.1):
            if self.running() and time.monotonic() < give_up_at:
                continue
            raise Trouble(f"{self._what} does not listen\n" + "".join(self._log))

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def result(self) -> dict:
        """What it printed when it ended."""
        try:
            status = self._process.wait(_LOAD_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Trouble(f"{self._what} did not end within {_LOAD_ENDS_WITHIN_S} s") from None
        output = self._process.stdout.read()
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


def depths_of(channel, queues) -> dict[str, int]:
    """Messages that wait in queues, those with a consumer not counted."""
    return {queue: channel.queue_declare(queue, passive=True).method.message_count for queue in queues}
