"""The folder an environment of servers and workers lives in.

    <run>/env          shell lines `export AMQP_URL=…`, while the servers run
    <run>/state.json   ports and generated passwords
    <run>/pids/        one record a process (lib.processes)
    <run>/log/         one log a process
    <run>/data/        the servers' own files; a link into /var/tmp where the server users cannot enter
                       this folder or its path is too long for a socket
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

from .console import Trouble
from .processes import Account, write_atomically

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER_USERS = ("postgres", "mysql", "rabbitmq")
_SOCKET_PATH_BYTES_MAX = 107
_LONGEST_SOCKET = "/mariadb/mariadb.sock"


def default_path() -> Path:
    """CARTWRIGHT_RUN_DIR, else `.run` in the repository."""
    return Path(os.environ.get("CARTWRIGHT_RUN_DIR") or REPOSITORY / ".run")


class RunDirectory:
    """Paths, state and lock of one environment. Creating the object touches nothing."""

    def __init__(self, path: Path | str | None = None):
        given = Path(path or default_path()).absolute()
        self.path = given.parent.resolve() / given.name
        self.pids = self.path / "pids"
        self.log = self.path / "log"
        self.env = self.path / "env"
        self._state = self.path / "state.json"
        self._data = self.path / "data"

    @property
    def data(self) -> Path:
        """The servers' folder, links resolved."""
        return self._data.resolve()

    def create(self) -> None:
        """Makes the folders, the data folder where every server user can enter it."""
        try:
            for folder in (self.path, self.pids, self.log):
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not self._data.exists():
                self._data.unlink(missing_ok=True)
                self._make_data()
        except OSError as error:
            raise Trouble(f"cannot create the run directory {self.path}: {error.strerror}",
                          "choose another: --run-dir DIRECTORY or CARTWRIGHT_RUN_DIR") from error

    def wipe(self) -> None:
        """Removes logs and the servers' files (nothing may run any more)."""
        for folder in (self.log, self.data):
            for entry in folder.iterdir():
                _remove(entry)

    def destroy(self) -> None:
        """Removes the whole environment (nothing may run any more), but not those of tests below it."""
        if self._data.is_symlink():
            _remove(self.data)
        for entry in self.path.iterdir():
            if not entry.name.startswith("test-"):
                _remove(entry)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def records(self) -> list[Path]:
        """The record files of all processes started here."""
        return sorted(self.pids.glob("*.json"))

    def read_state(self) -> dict:
        """What write_state wrote last; empty if nothing or unreadable."""
        try:
            return json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {}

    def write_state(self, state: dict) -> None:
        write_atomically(self._state, json.dumps(state, indent=1) + "\n", mode=0o600)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock of this environment; Trouble if another command holds it."""
        with open(self.path / "lock", "w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Trouble(f"another command is starting or stopping the servers in {self.path}",
                              "wait for it, or use another --run-dir") from None
            yield

    def _make_data(self) -> None:
        self._data.mkdir(mode=0o755)
        if _path_fits(self._data) and _all_can_enter(self._data):
            return
        self._data.rmdir()
        name = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        elsewhere = Path(f"/var/tmp/cartwright-{os.getuid()}-{name}")
        elsewhere.mkdir(mode=0o755, exist_ok=True)
        if elsewhere.is_symlink() or elsewhere.stat().st_uid != os.getuid():
            raise Trouble(f"{elsewhere} belongs to somebody else", "use another --run-dir")
        self._data.symlink_to(elsewhere)


def account(user: str) -> Account:
    """The account a server runs as: its own user when we are root, else ourselves."""
    if os.getuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Trouble(f"the user {user} does not exist, its server is not installed",
                      "scripts/install") from None
    return Account(entry.pw_uid, entry.pw_gid)


def _path_fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + len(_LONGEST_SOCKET) <= _SOCKET_PATH_BYTES_MAX


def _all_can_enter(folder: Path) -> bool:
    """Asks the kernel, as each user in turn, so that ACLs and mounts count too."""
    if os.getuid() != 0:
        return True
    return all(subprocess.run(["/usr/bin/test", "-x", str(folder)], check=False, cwd="/",
                              **account(user).popen_arguments()).returncode == 0 for user in SERVER_USERS)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
