"""Hands out loopback ports that stay ours: outside the kernel's ephemeral range, written down per user.

Two environments of one user never get the same port, not even between the moment it is handed out and the
moment a server listens on it, or while a server is down for a restart. Another user's ports are found by
trying to bind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Iterator, Sequence

from .console import Trouble

_RANGE = range(20000, 60000)


def allocate(names: Sequence[str], owner: Path, before: dict[str, int]) -> dict[str, int]:
    """One free port a name for the environment in folder `owner`; those it had `before` if they are free."""
    with _registry() as claims:
        for port in [port for port, claimant in claims.items() if claimant == str(owner)]:
            del claims[port]
        ports: dict[str, int] = {}
        candidates = _candidates(owner)
        for name in names:
            wished = before.get(name)
            port = wished if wished and _usable(wished, claims) else _next_free(candidates, claims)
            ports[name] = port
            claims[port] = str(owner)
        return ports


def release(owner: Path) -> None:
    """Gives all ports of an environment back."""
    with _registry() as claims:
        for port in [port for port, claimant in claims.items() if claimant == str(owner)]:
            del claims[port]


def listening(port: int, timeout_s: float = 1) -> bool:
    """True if something on 127.0.0.1 accepts connections on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _registry() -> Iterator[dict[int, str]]:
    """The claims (port to owner folder) of this user, locked, without those whose folder is gone."""
    path = f"/tmp/cartwright-ports-{os.getuid()}.json"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            claims = {int(port): owner for port, owner in json.load(file).items() if os.path.isdir(owner)}
        except (ValueError, AttributeError, TypeError):
            claims = {}
        yield claims
        file.seek(0)
        file.truncate()
        json.dump(claims, file)


def _candidates(owner: Path) -> Iterator[int]:
    """All ports to try, from a place that depends on the folder so that environments rarely meet."""
    low, high = _ephemeral_range()
    ports = [port for port in _RANGE if not low <= port <= high] or list(_RANGE)
    begin = int.from_bytes(hashlib.sha256(str(owner).encode()).digest()[:4], "big") % len(ports)
    yield from ports[begin:]
    yield from ports[:begin]


def _next_free(candidates: Iterator[int], claims: dict[int, str]) -> int:
    for port in candidates:
        if _usable(port, claims):
            return port
    raise Trouble("no free port is left on 127.0.0.1", "stop what occupies them: ss -ltnp")


def _usable(port: int, claims: dict[int, str]) -> bool:
    if port in claims:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _ephemeral_range() -> tuple[int, int]:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(low), int(high)
    except (OSError, ValueError):
        return 32768, 60999
