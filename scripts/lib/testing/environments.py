"""Environments for tests: `.run/test-<pid>`, thrown away with everything in it when their owner ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Iterator

from .. import operator_command, processes
from ..fleet import Fleet
from ..reset import reset
from ..run_directory import REPOSITORY
from ..servers import Servers

LOGS = REPOSITORY / ".run/test-log"
_YOUNG_S = 60


@contextlib.contextmanager
def test_environment(keep: bool, name: str) -> Iterator[Servers]:
    """Starts servers for this process; at the end, unless `keep`, removes them but their logs (in LOGS/name)."""
    sweep()
    servers = Servers(REPOSITORY / f".run/test-{os.getpid()}")
    with _owned(servers.run.path):
        try:
            servers.start()
            yield servers
        finally:
            with processes.uninterrupted():
                if keep:
                    (servers.run.path / "kept").touch()
                else:
                    _save_logs(servers, name)
                    servers.destroy()


def forget_logs(preset: str) -> None:
    """Those of its last run."""
    shutil.rmtree(LOGS / preset, ignore_errors=True)


def copy_logs(servers: Servers, name: str) -> None:
    """As they are now, because later tests add to them."""
    shutil.copytree(servers.run.log, LOGS / name, dirs_exist_ok=True)


def sweep() -> None:
    """Ends and removes the environments of test runs that were killed."""
    for path in (REPOSITORY / ".run").glob("test-*"):
        if path == LOGS or (path / "kept").exists():
            continue
        with contextlib.suppress(OSError):
            young = time.time() - path.stat().st_mtime < _YOUNG_S and not (path / "owner").exists()
            if not young and not _owner_lives(path):
                Servers(path).destroy()


def prepare(servers: Servers, preset: str) -> None:
    """Schema and topology, once the operator's command is part of the project."""
    if (REPOSITORY / "workers/cartwright/main.cpp").exists():
        operator_command.prepare(servers, preset)


def tidy(servers: Servers) -> list[str]:
    """Brings the servers back to empty and running after a test; the workers it left behind, now killed."""
    fleet = Fleet(servers).attach()
    left = [worker.label for worker in fleet.running()]
    fleet.kill()
    servers.ensure_running()
    reset(servers)
    return left


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[None]:
    """The owner's file is locked before it has its name: who finds it free knows that its owner has ended."""
    path.mkdir(parents=True, exist_ok=True)
    unnamed = path / f".owner-{os.getpid()}"
    with open(unnamed, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        unnamed.rename(path / "owner")
        yield


def _owner_lives(path: Path) -> bool:
    """True while a process holds the owner's lock; the kernel lets go of it however the process ends."""
    try:
        with open(path / "owner", "r", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


def _save_logs(servers: Servers, name: str) -> None:
    kept = LOGS / name
    shutil.rmtree(kept, ignore_errors=True)
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(servers.run.log, kept)
