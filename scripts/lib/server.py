"""What the three throw-away servers have in common: initialise, start, wait, stop, kill, freeze, restart."""

from __future__ import annotations

import abc
import os
import signal
import threading
import time
from pathlib import Path
from typing import Callable, Sequence

from . import processes
from .console import Trouble, tail
from .processes import SYSTEM_PATH, Process
from .run_directory import RunDirectory, account

READY_WITHIN_S = 90
_POLL_S = 0.05


class Cancelled(Exception):
    """Another server's start failed or the command was interrupted: this start is given up."""


class Server(abc.ABC):
    """One server of an environment, of this command or of an earlier one (its pid is in a record).

    All methods block until done, raise Trouble with the end of the log, and may be called from any thread,
    one at a time. `restart`, `kill` + `start`, `freeze` + `thaw` keep the data.
    """

    name: str
    title: str
    user: str
    stop_signal = signal.SIGTERM

    def __init__(self, run: RunDirectory, state: dict, cancel: threading.Event | None = None):
        self.run = run
        self._state = state
        self._cancel = cancel or threading.Event()

    @property
    def ports(self) -> dict[str, int]:
        return self._state["ports"]

    @property
    def folder(self) -> Path:
        return self.run.data / self.name

    @property
    def log(self) -> Path:
        return self.run.log / f"{self.name}.log"

    @property
    def process(self) -> Process | None:
        """The running process, else None."""
        process = processes.load(self._record(self.name))
        return process if process is not None and process.alive() else None

    @property
    def pid(self) -> int | None:
        process = self.process
        return process.pid if process else None

    def running(self) -> bool:
        return self.process is not None

    def start(self) -> None:
        """Initialises the data directory if there is none, starts and waits until it serves."""
        if self.running():
            return
        self._prepare()
        self._launch()
        self.wait_ready()

    def stop(self, timeout_s: float = 30) -> None:
        """Stops gracefully; kills what does not stop in time."""
        process = processes.load(self._record(self.name))
        if process is not None:
            process.terminate(self.stop_signal, timeout_s)

    def restart(self) -> None:
        """Graceful stop, then start on the same data and ports."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """kill -9 of the server and all its children, as if the power failed."""
        process = processes.load(self._record(self.name))
        if process is not None:
            process.kill()
            process.forget()

    def freeze(self) -> None:
        """SIGSTOP: the server is there but answers nothing, until thaw."""
        if process := self.process:
            process.freeze()

    def thaw(self) -> None:
        if process := self.process:
            process.thaw()

    def wait_ready(self, timeout_s: float = READY_WITHIN_S) -> None:
        """Waits until the server serves; Trouble when its process ends or the time is over."""
        self._wait(self.ready, timeout_s)

    @abc.abstractmethod
    def ready(self) -> bool:
        """True if a client is served right now."""

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Makes the data directory and configuration, unless there."""

    @abc.abstractmethod
    def _launch(self) -> None:
        """Starts the process with _spawn."""

    def _record(self, name: str) -> Path:
        return self.run.pids / f"{name}.json"

    def _spawn(self, argv: Sequence[str | Path], name: str = "", **environment: str) -> Process:
        """Starts a process as the server's user with a clean environment."""
        name = name or self.name
        if not os.access(argv[0], os.X_OK):
            raise Trouble(f"{self.title} is not installed: there is no {argv[0]}", "scripts/install")
        base = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(self.folder)}
        return processes.spawn(argv, record=self._record(name), log=self.run.log / f"{name}.log",
                               mark=self.run.path, environment={**base, **environment},
                               account=account(self.user), cwd=self.folder, facts={"kind": "server"})

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        account(self.user).give(self.folder)

    def _write(self, name: str, text: str, mode: int = 0o600) -> Path:
        """Writes a file in the server's folder that belongs to its user."""
        path = self.folder / name
        processes.write_atomically(path, text, mode)
        account(self.user).give(path)
        return path

    def _run_tool(self, argv: Sequence[str | Path], timeout_s: float = READY_WITHIN_S) -> None:
        """Runs a program of the server to its end; Trouble if it fails."""
        name = f"{self.name}-setup"
        process = self._spawn(argv, name)
        try:
            self._wait(lambda: not process.alive(), timeout_s, process_must_live=False)
        except BaseException:
            process.kill()
            raise
        finally:
            process.forget()
        if process.exit_status() != 0:
            raise Trouble(f"{self.title}: {Path(argv[0]).name} failed\n{tail(self.run.log / f'{name}.log')}",
                          "read the log; often the disk is full or the folder's rights are wrong")

    def _wait(self, condition: Callable[[], bool], timeout_s: float, process_must_live: bool = True) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._cancel.is_set():
                raise Cancelled(self.title)
            if process_must_live and not self.running():
                raise Trouble(f"{self.title} ended while it started\n{tail(self.log)}",
                              "read the log; then start again")
            if time.monotonic() > deadline:
                raise Trouble(f"{self.title} is not ready after {timeout_s:.0f} s\n{tail(self.log)}",
                              "read the log; is the machine overloaded?")
            time.sleep(_POLL_S)
