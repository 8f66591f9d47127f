"""Starts processes that outlive the command, and finds, signals and ends exactly those again.

Every process started here has a record file (pid, start time, boot id): a pid that was reused by somebody
else is never taken for ours. It also carries the mark CARTWRIGHT_STARTED_IN=<run directory> in its
environment, so that processes of a crashed run are found even where the record could not be written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator, Mapping, Sequence

MARK = "CARTWRIGHT_STARTED_IN"
STARTER = "CARTWRIGHT_STARTED_BY"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_POLL_S = 0.02
_children: dict[int, subprocess.Popen] = {}


@dataclasses.dataclass(frozen=True)
class Account:
    """The user a process runs as; None for ids and groups means: as we do."""

    user_id: int | None = None
    group_id: int | None = None

    def popen_arguments(self) -> dict:
        if self.user_id is None:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def give(self, *paths: Path) -> None:
        """Makes the account the owner of the paths (not of what is in them)."""
        if self.user_id is not None:
            for path in paths:
                os.chown(path, self.user_id, self.group_id)


@dataclasses.dataclass
class Process:
    """One process that was started here, by this command or an earlier one."""

    pid: int
    start_ticks: int
    boot_id: str
    record: Path
    facts: dict = dataclasses.field(default_factory=dict)

    def alive(self) -> bool:
        """True while the very process that was started runs (a zombie does not)."""
        child = _children.get(self.pid)
        unreaped = child is not None and child.poll() is None
        stat = _stat(self.pid)
        if stat is None or stat.start_ticks != self.start_ticks or self.boot_id != _boot_id():
            return False
        # A child that cannot be reaped yet may be a zombie whose other threads still run.
        return unreaped or stat.state not in "ZX"

    def send(self, number: int) -> bool:
        """Sends a signal; False if the process is gone."""
        if not self.alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait(self, timeout_s: float) -> bool:
        """Waits until the process is gone; False when the time is over."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def exit_status(self) -> int | None:
        """The exit status (negative: the signal) of a process this command started; else None."""
        child = _children.get(self.pid)
        return None if child is None else child.poll()

    def terminate(self, number: int = signal.SIGTERM, timeout_s: float = 30) -> bool:
        """Signal, wait, kill what is left. False if it had to be killed. The record is removed."""
        if self.send(number):
            self.thaw()
        return self.finish(timeout_s)

    def finish(self, timeout_s: float = 30) -> bool:
        """Waits for a process that was told to end, kills what is left. False if it had to be killed."""
        in_time = self.wait(timeout_s)
        if not in_time:
            self.kill()
        self.forget()
        return in_time

    def kill(self) -> None:
        """kill -9 of the process and all its descendants, and waits until they are gone."""
        family = self._stopped_family()
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(30)
        _wait_gone(family[1:], 30)

    def freeze(self) -> None:
        """SIGSTOP to the process and all its descendants."""
        self._stopped_family()

    def thaw(self) -> None:
        """SIGCONT to the process and all its descendants."""
        for pid in [self.pid, *descendants(self.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def usage(self) -> dict:
        """CPU seconds and bytes written to disk (with reaped children) and resident bytes of the process and its
        descendants, and the most that the process alone has had resident."""
        family = [self.pid, *descendants(self.pid)]
        stats = [stat for pid in family if (stat := _stat(pid)) is not None]
        return {"cpu_s": sum(stat.cpu_ticks for stat in stats) / os.sysconf("SC_CLK_TCK"),
                "resident_bytes": sum(stat.resident_pages for stat in stats) * os.sysconf("SC_PAGE_SIZE"),
                "resident_bytes_max": _resident_max(self.pid),
                "written_bytes": sum(map(_written, family))}

    def remember(self, **facts) -> None:
        """Adds facts to the record."""
        self.facts.update(facts)
        content = {"pid": self.pid, "start_ticks": self.start_ticks, "boot_id": self.boot_id,
                   "facts": self.facts}
        write_atomically(self.record, json.dumps(content) + "\n")

    def forget(self) -> None:
        """Removes the record, if it is still the one of this process."""
        current = load(self.record)
        if current is not None and current.pid == self.pid:
            self.record.unlink(missing_ok=True)

    def _stopped_family(self) -> list[int]:
        """The process and its descendants, all stopped, so that none forks while they are listed."""
        if not self.send(signal.SIGSTOP):
            return []
        family = [self.pid]
        while new := [pid for pid in descendants(self.pid) if pid not in family]:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            family += new
        return family


def environment_of_dependant() -> dict[str, str]:
    """The environment of a child that is to end with this process: see `orphaned`."""
    return {**os.environ, STARTER: str(os.getpid())}


def orphaned() -> bool:
    """True once whoever started this process has ended, be it before this process could look."""
    parent = os.getppid()
    return parent != int(os.environ.get(STARTER, parent))


def spawn(argv: Sequence[str | Path], *, record: Path, log: Path, mark: Path, environment: Mapping[str, str],
          account: Account = Account(), cwd: Path | None = None, facts: Mapping | None = None) -> Process:
    """Starts a process in a session of its own, output appended to the log; the record keeps the facts."""
    with uninterrupted(), open(log, "ab") as output:
        child = subprocess.Popen([str(part) for part in argv], stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT, cwd=cwd, env={**environment, MARK: str(mark)},
                                 start_new_session=True, **account.popen_arguments())
        _children[child.pid] = child
        stat = _stat(child.pid)  # there even if it ended already: nobody has reaped it
        process = Process(child.pid, stat.start_ticks if stat else -1, _boot_id(), record)
        process.remember(**(facts or {}))
    return process


def load(record: Path) -> Process | None:
    """The process of a record file; None where there is none or it cannot be read."""
    try:
        content = json.loads(record.read_text())
        return Process(content["pid"], content["start_ticks"], content["boot_id"], record, content["facts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def gone(pid: int) -> bool:
    """True if there is no such process, or only its zombie."""
    stat = _stat(pid)
    return stat is None or stat.state in "ZX"


def marked(mark: Path) -> list[int]:
    """The pids of all processes that carry the mark of this run directory."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for pid in _all_pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if wanted in environ.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return found


def kill_marked(mark: Path) -> int:
    """Kills every process that carries the mark, with its descendants; returns how many there were."""
    pids = marked(mark)
    family = sorted({*pids, *(descendant for pid in pids for descendant in descendants(pid))})
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait_gone(family, 30)
    return len(family)


def descendants(pid: int) -> list[int]:
    """The pids of all children, grandchildren and so on."""
    children: dict[int, list[int]] = {}
    for other in _all_pids():
        if (stat := _stat(other)) is not None:
            children.setdefault(stat.parent, []).append(other)
    found, look = [], [pid]
    while look:
        look = [child for parent in look for child in children.get(parent, [])]
        found += look
    return found


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds SIGINT, SIGTERM and SIGHUP back until the body is done (in the main thread; others get none)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: pending.append(number)) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if pending:
            signal.raise_signal(pending[0])


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a file so that a reader sees the old content or the new one, nothing between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(temporary, path)


@dataclasses.dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    cpu_ticks: int
    start_ticks: int
    resident_pages: int


def _stat(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return _Stat(state=fields[0], parent=int(fields[1]), cpu_ticks=sum(map(int, fields[11:15])),
                 start_ticks=int(fields[19]), resident_pages=int(fields[21]))


def _resident_max(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def _written(pid: int) -> int:
    """0 where that is none of our business, as for what runs under another account."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("write_bytes:")), 0)
    except OSError:
        return 0


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _wait_gone(pids: list[int], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for pid in pids:
            if (child := _children.get(pid)) is not None:
                child.poll()
        if all(map(gone, pids)):
            return
        time.sleep(_POLL_S)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
