"""A gate in front of a server: what clients and the server say to each other goes through it, if it lets it.

    gate = Gate(servers.urls["POSTGRES_URL"], default_port=5432)
    fleet.environment["POSTGRES_URL"] = gate.url      # whoever is started now talks through the gate
    gate.stall(); …; gate.go_on()
    gate.close()

What is said of the gate holds for every connection, those to come too, and for both directions unless one is
named: TO_SERVER is what clients say, TO_CLIENT what the server answers. Methods return when the gate has done
it. The gate is one thread; a direction that may not move is not read either (beyond a bounded buffer), so its
sender feels it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import queue
import selectors
import socket
import struct
import threading
import time
import urllib.parse

TO_SERVER, TO_CLIENT = "to_server", "to_client"
BOTH = (TO_SERVER, TO_CLIENT)
BUFFER_BYTES_MAX = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_SLOW_TICK_S = 0.01


class Gate:
    """One gate before one server, on a free port of loopback."""

    def __init__(self, server_url: str, default_port: int = 0):
        parts = urllib.parse.urlsplit(server_url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or default_port)
        self.port = _free_port()
        user, at, _ = parts.netloc.rpartition("@")
        self.url = urllib.parse.urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))
        self._listener = _listen(self.port)
        self._selector = selectors.DefaultSelector()
        self.links: list[Link] = []
        self._rules = {direction: _Rule() for direction in BOTH}
        self._accepting = self._closing = False
        self._admitted: int | None = None  # so many more connections; None: any number
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._bell, self._bell_heard = socket.socketpair()
        for end in (self._bell, self._bell_heard):
            end.setblocking(False)
        self._selector.register(self._bell_heard, selectors.EVENT_READ)
        self._accept(True)
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._thread.start()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Resets every connection and gives the port back."""
        if self._thread.is_alive():
            self.call(self._shut)
            self._thread.join(10)

    # What may go wrong

    def cut(self, side: str | None = None) -> int:
        """Resets every connection; how many. With a side, only the half to it: cut(TO_SERVER) leaves clients
        with a connection behind which nobody is, cut(TO_CLIENT) leaves the server with one."""
        def act() -> int:
            links = list(self.links)
            for link in links:
                link.reset(BOTH if side is None else (side,))
            return len(links)
        return self.call(act)

    def refuse(self) -> None:
        """New connections are refused; those that are open go on."""
        self.call(lambda: self._accept(False))

    def admit(self, connections: int) -> None:
        """After so many more, new connections are refused."""
        def act() -> None:
            self._admitted = connections
        self.call(act)

    def stall(self, *directions: str) -> None:
        """Connections stay open, and are opened, but no byte moves and no end is passed on."""
        self._rule(directions, stalled=True)

    def black_hole(self, *directions: str) -> None:
        """Bytes and ends of connections are taken and never arrive."""
        self._rule(directions, swallows=True)

    def slow(self, bytes_per_s: float, *directions: str) -> None:
        """So many bytes a second on each connection."""
        self._rule(directions, bytes_per_s=bytes_per_s)

    def truncate(self, after_bytes: int, direction: str = TO_CLIENT, times: int = 1) -> None:
        """After so many more bytes, of all connections together, the one that is at it is reset in the middle
        of what it says; then so again, until it was done `times` times."""
        self._rule((direction,), cut_after=(after_bytes,) * times)

    def half_close(self, direction: str = TO_CLIENT) -> int:
        """The receivers of this direction see its end, on every connection there is; the other direction goes
        on. What the senders say from now on is swallowed. How many connections."""
        def act() -> int:
            links = list(self.links)
            for link in links:
                link.pipes[direction].half_close()
                link.watch()
            return len(links)
        return self.call(act)

    def go_on(self) -> None:
        """Ends refusing, stall, black hole, slowness and truncation. A connection that lost bytes in a black
        hole is reset, because what it says makes no sense any more."""
        def act() -> None:
            for rule in self._rules.values():
                rule.become()
            self._admitted = None
            self._accept(True)
            for link in list(self.links):
                if any(pipe.lost for pipe in link.pipes.values()):
                    link.reset(BOTH)
                else:
                    link.move()
        self.call(act)

    # What can be seen

    def connections(self) -> int:
        """Open now."""
        return self.call(lambda: len(self.links))

    def truncations_left(self, direction: str = TO_CLIENT) -> int:
        """How many resets that `truncate` ordered are still to come."""
        return self.call(lambda: len(self._rules[direction].cut_after))

    # The thread

    def call(self, act):
        """Has the gate's thread do it, and returns what it returned."""
        if threading.current_thread() is self._thread:
            return act()
        future: concurrent.futures.Future = concurrent.futures.Future()
        self._calls.put((act, future))
        with contextlib.suppress(BlockingIOError):
            self._bell.send(b"!")
        return future.result(10)

    def _rule(self, directions: tuple[str, ...], **settings) -> None:
        def act() -> None:
            for direction in directions or BOTH:
                self._rules[direction].become(**settings)
            for link in list(self.links):
                link.move()
        self.call(act)

    def _accept(self, accepting: bool) -> None:
        if accepting == self._accepting:
            return
        self._accepting = accepting
        if accepting:
            self._listener.listen(128)  # again: shutdown() below ends listening, but keeps the port
            self._selector.register(self._listener, selectors.EVENT_READ)
        else:
            self._selector.unregister(self._listener)
            self._listener.shutdown(socket.SHUT_RD)

    def _shut(self) -> None:
        self._closing = True
        for link in list(self.links):
            link.reset(BOTH)

    def _run(self) -> None:
        while not self._closing:
            slowed = any(rule.bytes_per_s for rule in self._rules.values())
            for key, events in self._selector.select(_SLOW_TICK_S if slowed and self.links else None):
                if key.fileobj is self._bell_heard:
                    self._answer_calls()
                elif key.fileobj is self._listener:
                    self._open_link()
                elif key.data is not None:
                    key.data(events)
            if slowed:
                for link in list(self.links):
                    link.move()
        for end in (self._listener, self._bell, self._bell_heard):
            end.close()
        self._selector.close()

    def _answer_calls(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell_heard.recv(4096)
        with contextlib.suppress(queue.Empty):
            while True:
                act, future = self._calls.get_nowait()
                try:
                    future.set_result(act())
                except Exception as error:  # the caller's to handle
                    future.set_exception(error)

    def _open_link(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if self._admitted is not None:
            self._admitted -= 1
            if self._admitted == 0:
                self._accept(False)
        try:
            server = socket.create_connection(self._server, 5)
        except OSError:
            _reset(client)
            return
        link = Link(self.links, self._selector, client, server)
        link.pipes = self.make_pipes(link, self._rules)
        self.links.append(link)
        link.watch()

    def make_pipes(self, link: Link, rules: dict[str, _Rule]) -> dict[str, Pipe]:
        """The gate's thread: both directions of a new connection."""
        client, server = link.sockets[TO_CLIENT], link.sockets[TO_SERVER]
        return {TO_SERVER: Pipe(client, server, rules[TO_SERVER]),
                TO_CLIENT: Pipe(server, client, rules[TO_CLIENT])}


class _Rule:
    """What holds for one direction."""

    def __init__(self):
        self.become()

    def become(self, stalled: bool = False, swallows: bool = False, bytes_per_s: float = 0,
               cut_after: tuple[int, ...] = ()) -> None:
        self.stalled = stalled
        self.swallows = swallows
        self.bytes_per_s = bytes_per_s
        self.cut_after = list(cut_after)


class Pipe:
    """One direction of one connection. Only the gate's thread touches it."""

    def __init__(self, source: socket.socket, sink: socket.socket, rule: _Rule):
        self.source, self.sink, self.rule = source, sink, rule
        self.waiting = bytearray()
        self.passed = 0             # bytes that went on, since the beginning
        self.ended = False          # the source says no more
        self.closed = False         # the sink was told so, or hears no more
        self.lost = False           # bytes were swallowed by a black hole
        self._earned, self._earned_at = 0.0, time.monotonic()

    @property
    def done(self) -> bool:
        return self.ended and self.closed

    def may_read(self) -> bool:
        return not self.ended and (self.closed or len(self.waiting) < BUFFER_BYTES_MAX)

    def may_write(self) -> bool:
        return not self.closed and self._allowed() > 0

    def read(self) -> None:
        try:
            data = self.source.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
        elif not self.closed:
            self.take(data)

    def take(self, data: bytes) -> None:
        self.waiting += data

    def limit(self) -> int:
        """Bytes that may leave at once, however fast; for whoever wants to hold some back."""
        return len(self.waiting)

    def write(self) -> bool:
        """Passes on what may go; False if the connection is to be reset now."""
        if self.rule.swallows:
            self.lost = self.lost or bool(self.waiting) or self.ended
            self.passed += len(self.waiting)
            self.waiting.clear()
            return True
        count = 0 if self.closed else self._allowed()
        if count > 0 and not self._send(count):
            return False
        # The source's end is passed on behind its last byte.
        if self.ended and not self.waiting and not self.closed and not self.rule.stalled:
            self._finish()
        return True

    def half_close(self) -> None:
        self.waiting.clear()
        self._finish()

    def _send(self, count: int) -> bool:
        cuts = self.rule.cut_after
        try:
            sent = self.sink.send(self.waiting[:min(count, cuts[0]) if cuts else count])
        except BlockingIOError:
            return True
        except OSError:
            self.closed = True
            self.waiting.clear()
            return True
        del self.waiting[:sent]
        self.passed += sent
        self._earned -= sent
        if cuts:
            cuts[0] -= sent
            if cuts[0] <= 0:
                cuts.pop(0)
                return False
        return True

    def _allowed(self) -> int:
        if self.rule.stalled or self.rule.swallows:
            return 0
        free = self.limit()
        if not self.rule.bytes_per_s or not free:
            self._earned, self._earned_at = 0.0, time.monotonic()
            return free
        now = time.monotonic()
        rate = self.rule.bytes_per_s
        self._earned = min(self._earned + (now - self._earned_at) * rate, max(rate, 1))
        self._earned_at = now
        return min(free, int(self._earned))

    def _finish(self) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            self.sink.shutdown(socket.SHUT_WR)


class Link:
    """One connection through the gate: two sockets and two pipes. Only the gate's thread touches it."""

    def __init__(self, links: list, selector, client: socket.socket, server: socket.socket):
        self._links, self._selector = links, selector
        self.sockets = {TO_CLIENT: client, TO_SERVER: server}
        self.client_port = client.getpeername()[1] if _connected(client) else 0
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pipes: dict[str, Pipe] = {}
        self.gone = False

    def move(self) -> None:
        """Passes on what may go, in both directions, ends what is done, and waits for more."""
        for pipe in self.pipes.values():
            if not self.gone and not pipe.write():
                self.reset(BOTH)
        if not self.gone and all(pipe.done for pipe in self.pipes.values()):
            self.reset(BOTH, gently=True)
        self.watch()

    def reset(self, sides: tuple[str, ...], gently: bool = False) -> None:
        """Ends the connection to these sides at once; without both, the rest hears and gets nothing."""
        if self.gone:
            return
        for side in sides:
            self._watch(self.sockets[side], 0)
            if gently:
                self.sockets[side].close()
            else:
                _reset(self.sockets[side])
            self.pipes[side].closed = True
            self.pipes[side].waiting.clear()
            self.pipes[_other(side)].ended = True
        if all(pipe.ended and pipe.closed for pipe in self.pipes.values()) or len(sides) == 2:
            self.gone = True
            for end in self.sockets.values():
                self._watch(end, 0)
                end.close()
            self._links.remove(self)
        else:
            # The half that is left must not be told: its pipe stays open and silent.
            self.pipes[_other(sides[0])].waiting.clear()
            self.pipes[_other(sides[0])].closed = True
            self.watch()

    def watch(self) -> None:
        if self.gone:
            return
        for side, end in self.sockets.items():
            inward, outward = self.pipes[_other(side)], self.pipes[side]  # read from it, written to it
            wanted = (selectors.EVENT_READ if inward.may_read() else 0)
            # Slowed bytes are written by the clock; else a free socket would wake the thread all the time.
            if outward.may_write() and not outward.rule.bytes_per_s:
                wanted |= selectors.EVENT_WRITE
            self._watch(end, wanted)

    def _watch(self, end: socket.socket, wanted: int) -> None:
        if end.fileno() < 0:
            return
        key = self._selector.get_map().get(end.fileno())
        if key is None and wanted:
            self._selector.register(end, wanted, lambda events: self._on(end, events))
        elif key is not None and not wanted:
            self._selector.unregister(end)
        elif key is not None and key.events != wanted:
            self._selector.modify(end, wanted, key.data)

    def _on(self, end: socket.socket, events: int) -> None:
        if self.gone or end.fileno() < 0:
            return
        if events & selectors.EVENT_READ:
            for pipe in self.pipes.values():
                if pipe.source is end:
                    pipe.read()
        self.move()


def _other(side: str) -> str:
    return TO_SERVER if side == TO_CLIENT else TO_CLIENT


def _connected(end: socket.socket) -> bool:
    try:
        end.getpeername()
        return True
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return False


def _reset(end: socket.socket) -> None:
    """Closes with a reset instead of a farewell."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.setblocking(False)
    return listener
