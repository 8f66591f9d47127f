"""Runs replicas of the workers against an environment of servers.

    fleet = Fleet(servers)
    reserver, = fleet.start("reserver")             # ready when this returns
    fleet.start_all({"splitter": 2, "router": 1})   # in parallel
    reserver.kill(); reserver.start()
    fleet.metrics("reserver").total("cartwright_something_total", outcome="applied")
    fleet.stop()                                    # SIGTERM, exit 0 expected of each

A worker's log is <run>/log/<name>-<index>.log; its pid and HTTP port are in <run>/pids, so that another
command (scripts/down, Fleet(...).attach()) finds it again.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Iterable, Mapping, Sequence

from . import processes, prometheus
from .console import Trouble, tail
from .processes import Process, uninterrupted
from .run_directory import REPOSITORY
from .servers import Servers

READY_WITHIN_S = 60
STOP_WITHIN_S = 30
CONFIG = REPOSITORY / "deploy/config/cartwright.yaml"
_POLL_S = 0.03
_NOT_FOR_WORKERS = ("POSTGRES_ADMIN_URL", "MARIADB_ADMIN_URL", "MANAGEMENT_URL", "MARIADB_URL")


class Worker:
    """One replica: a place (name, index, arguments) that a process fills, empties and fills again."""

    def __init__(self, servers: Servers, name: str, index: int, argv: Sequence[str],
                 environment: Mapping[str, str]):
        self._servers = servers
        self.name = name
        self.index = index
        self.argv = list(argv)
        self.environment = dict(environment)
        self.exit_status: int | None = None  # of the last process, where this command started it
        self.log = servers.run.log / f"{self.label}.log"
        self._record = servers.run.pids / f"{self.label}.json"
        before = processes.load(self._record)
        self._log_begins_at = before.facts.get("log_begins_at", 0) if before else 0

    @property
    def label(self) -> str:
        """For messages and file names, like reserver-1."""
        return f"{self.name}-{self.index}"

    @property
    def process(self) -> Process | None:
        """The process that runs, else None."""
        process = processes.load(self._record)
        return process if process is not None and process.alive() else None

    @property
    def pid(self) -> int | None:
        return process.pid if (process := self.process) else None

    @property
    def http_port(self) -> int | None:
        """The port of /metrics and /healthz, None until the worker said it or when it is not running."""
        return process.facts.get("http_port") if (process := self.process) else None

    def running(self) -> bool:
        return self.process is not None

    def launch(self) -> None:
        """Starts the process without waiting for anything."""
        if self.running():
            raise Trouble(f"{self.label} runs already (pid {self.pid})")
        if not os.access(self.argv[0], os.X_OK):
            raise Trouble(f"there is no {self.argv[0]}", "scripts/build")
        self.exit_status = None
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_WORKERS}
        self._log_begins_at = self.log.stat().st_size if self.log.exists() else 0
        processes.spawn(self.argv, record=self._record, log=self.log, mark=self._servers.run.path,
                        environment={**inherited, **self.environment, **self._urls()},
                        cwd=REPOSITORY, facts={"kind": "worker", "name": self.name, "index": self.index,
                                                "argv": self.argv, "environment": self.environment,
                                                "log_begins_at": self._log_begins_at})

    def _urls(self) -> dict[str, str]:
        """Its own accounts, at the addresses that its environment names, if it does."""
        return {name: _at_address_of(self.environment.get(name, url), url)
                for name, url in self._servers.urls_of(self.name).items()}

    def start(self, timeout_s: float = READY_WITHIN_S) -> Worker:
        """Starts the process and waits until it is ready."""
        self.launch()
        return self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float = READY_WITHIN_S) -> Worker:
        """Waits for /healthz/ready; Trouble with the end of the log if it ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if not self.running():
                self._note_exit()
                raise self._trouble(f"ended while it started, exit status {self.exit_status}")
            if time.monotonic() > deadline:
                raise self._trouble(f"is not ready after {timeout_s:.0f} s: {self.health('ready')[1]}")
            time.sleep(_POLL_S)
        return self

    def ready(self) -> bool:
        """True if /healthz/ready says so right now."""
        return self.health("ready")[0] == 200

    def health(self, kind: str = "ready") -> tuple[int, str]:
        """Status and body of /healthz/<kind>; status 0 if there is no answer."""
        try:
            return self._get(f"/healthz/{kind}")
        except (Trouble, OSError) as error:
            return 0, str(error)

    def metrics(self) -> prometheus.Metrics:
        """What /metrics says now; Trouble if it does not answer."""
        try:
            status, text = self._get("/metrics")
        except OSError as error:
            raise Trouble(f"{self.label} does not answer on /metrics: {error}", f"read {self.log}") from error
        if status != 200:
            raise Trouble(f"{self.label}: /metrics answered {status}", f"read {self.log}")
        return prometheus.parse(text)

    def stop(self, timeout_s: float = STOP_WITHIN_S) -> None:
        """SIGTERM; Trouble if it does not drain and exit 0 in time (it is killed then)."""
        self.terminate()
        self.finish(timeout_s)

    def terminate(self) -> None:
        """SIGTERM without waiting; `finish` or `wait_exit` waits."""
        if process := self.process:
            process.thaw()  # not afterwards: leak detection stops its process, and SIGCONT would undo that
            process.send(signal.SIGTERM)

    def finish(self, timeout_s: float = STOP_WITHIN_S) -> None:
        """Waits for a terminated process; Trouble unless it exits 0 in time (it is killed then)."""
        process = processes.load(self._record)
        if process is None:
            return
        in_time = process.finish(timeout_s)
        self.exit_status = process.exit_status()
        if not in_time:
            raise self._trouble(f"did not stop within {timeout_s:.0f} s and was killed")
        if self.exit_status not in (0, None):
            raise self._trouble(f"stopped with exit status {self.exit_status}")

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        if (process := processes.load(self._record)) is not None:
            process.kill()
            self.exit_status = process.exit_status()
            process.forget()

    def freeze(self) -> None:
        """SIGSTOP."""
        if process := self.process:
            process.freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        if process := self.process:
            process.thaw()

    def restart(self) -> Worker:
        """Graceful stop, then start with the same arguments."""
        self.stop()
        return self.start()

    def wait_exit(self, timeout_s: float = STOP_WITHIN_S) -> int | None:
        """Waits until the process has ended by itself; its exit status. Trouble when the time is over."""
        process = processes.load(self._record)
        if process is not None and not process.wait(timeout_s):
            raise self._trouble(f"still runs after {timeout_s:.0f} s")
        self._note_exit()
        return self.exit_status

    def log_lines(self) -> list[dict]:
        """The JSON lines the present (or last) process has logged so far."""
        try:
            with open(self.log, "rb") as log:
                log.seek(self._log_begins_at)
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []
        return [line for line in map(_json_object, lines) if line is not None]

    def usage(self) -> dict:
        """cpu_s, resident_bytes, resident_bytes_max and written_bytes of the process."""
        if (process := self.process) is None:
            return {"cpu_s": 0.0, "resident_bytes": 0, "resident_bytes_max": 0, "written_bytes": 0}
        return process.usage()

    def _get(self, path: str) -> tuple[int, str]:
        port = self.http_port or self._find_http_port()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def _find_http_port(self) -> int:
        for line in self.log_lines():
            if line.get("event") == "started" and isinstance(line.get("http_port"), int):
                if process := self.process:
                    process.remember(http_port=line["http_port"])
                    return line["http_port"]
        raise Trouble(f"{self.label} has not logged its http_port", f"read {self.log}")

    def _trouble(self, what: str) -> Trouble:
        return Trouble(f"{self.label} {what}\n{tail(self.log)}", f"read {self.log}")

    def _note_exit(self) -> None:
        if (process := processes.load(self._record)) is not None:
            self.exit_status = process.exit_status()


class Fleet:
    """The workers of one environment."""

    def __init__(self, servers: Servers, preset: str = "", config: Path = CONFIG):
        """`preset` says which build to run: default CARTWRIGHT_PRESET, else release."""
        self.servers = servers
        self.binaries = REPOSITORY / "build" / (preset or default_preset()) / "bin"
        self.config = config
        # For workers added from now on. Of a URL here the address counts: a worker logs in with its own account.
        self.environment: dict[str, str] = {}
        self.workers: list[Worker] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def attach(self) -> Fleet:
        """Takes over the workers that another command started in this environment."""
        known = {worker.label for worker in self.workers}
        for record in self.servers.run.records():
            process = processes.load(record)
            if process is None or process.facts.get("kind") != "worker":
                continue
            facts = process.facts
            worker = Worker(self.servers, facts["name"], facts["index"], facts["argv"],
                            facts["environment"])
            if worker.label not in known:
                self.workers.append(worker)
        return self

    def add(self, name: str, arguments: Iterable[str] = (), environment: Mapping[str, str] | None = None,
            config: Path | None = None) -> Worker:
        """A place for one more replica, with the next free index; not started."""
        index = 1 + max((worker.index for worker in self.named(name)), default=0)
        argv = [str(self.binaries / name), "--config", str(config or self.config), "--http-port", "0",
                *arguments]
        worker = Worker(self.servers, name, index, argv, {**self.environment, **(environment or {})})
        self.workers.append(worker)
        return worker

    def start(self, name: str, replicas: int = 1, arguments: Iterable[str] = (),
              environment: Mapping[str, str] | None = None, config: Path | None = None) -> list[Worker]:
        """Starts replicas of one worker; returns them when all are ready."""
        arguments = list(arguments)
        new = [self.add(name, arguments, environment, config) for _ in range(replicas)]
        self._start_and_wait(new)
        return new

    def start_all(self, replicas: Mapping[str, int]) -> list[Worker]:
        """Starts all at once; returns them when all are ready."""
        new = [self.add(name) for name, count in replicas.items() for _ in range(count)]
        self._start_and_wait(new)
        return new

    def named(self, name: str) -> list[Worker]:
        """The replicas of one worker, running or not."""
        return [worker for worker in self.workers if worker.name == name]

    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.running()]

    def metrics(self, name: str | None = None) -> prometheus.Metrics:
        """The sum over the running replicas (of one worker)."""
        total = prometheus.Metrics()
        for worker in self.running():
            if name in (None, worker.name):
                total.merge(worker.metrics())
        return total

    def stop(self, timeout_s: float = STOP_WITHIN_S) -> None:
        """Stops all at once, each gracefully; Trouble names those that did not drain and exit 0."""
        problems = []
        with uninterrupted():
            for worker in self.workers:
                worker.terminate()
            deadline = time.monotonic() + timeout_s
            for worker in self.workers:
                try:
                    worker.finish(max(0, deadline - time.monotonic()))
                except Trouble as trouble:
                    problems.append(trouble.args[0])
        self.workers.clear()
        if problems:
            raise Trouble("\n".join(problems), "read the logs named above")

    def resume(self, workers: list[Worker]) -> None:
        """Starts workers again that were stopped with all others; returns when they are ready."""
        self.workers.extend(workers)
        self._start_and_wait(workers)

    def kill(self) -> None:
        """kill -9 of all, none remains."""
        with uninterrupted():
            for worker in self.workers:
                worker.kill()
        self.workers.clear()

    def _start_and_wait(self, workers: list[Worker]) -> None:
        try:
            for worker in workers:
                worker.launch()
            for worker in workers:
                worker.wait_ready()
        except BaseException:
            with uninterrupted():
                for worker in workers:
                    worker.kill()
                    self.workers.remove(worker)
            raise


def default_preset() -> str:
    """CARTWRIGHT_PRESET, else release."""
    return os.environ.get("CARTWRIGHT_PRESET") or "release"


def with_rules(folder: Path) -> str:
    """The shipped configuration with the routing rules of another folder."""
    return with_settings(r"^rules:\n  directory: .*$", f"rules:\n  directory: {folder}")


def with_settings(pattern: str, replacement: str) -> str:
    """The shipped configuration with what the pattern finds in it replaced; it must be found once."""
    text, found = re.subn(pattern, replacement, CONFIG.read_text(), flags=re.M)
    if found != 1:
        raise Trouble(f"{CONFIG} has {found} places like {pattern}", "one was expected: adapt the caller")
    return text


def worker_names() -> list[str]:
    """All workers of the repository, in the order of their folders' names."""
    return sorted(path.parent.name for path in (REPOSITORY / "workers").glob("*/main.cpp")
                  if path.parent.name != "cartwright")


def _at_address_of(there: str, url: str) -> str:
    """The URL with the host and port of the other."""
    address = urllib.parse.urlsplit(there).netloc.rpartition("@")[2]
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{address}").geturl()


def _json_object(line: str) -> dict | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
