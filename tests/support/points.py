"""A gate that understands what passes, and stops at an exact point of it.

    gate = PointGate(servers.urls["POSTGRES_URL"])
    stop = gate.stop_at(COMMIT, where=lambda frame: frame.who == "reserver-carts")
    held = stop.wait()            # a COMMIT of that session is here, with everything behind it
    worker_of(stop, fleet).kill()
    stop.drop()                   # PostgreSQL never sees it; or stop.release(): it does, from a dead sender

The points are frames: a COMMIT of PostgreSQL and its answer, and rows on their way into a COPY; of AMQP a whole
message that is published or delivered, and the confirm or acknowledgement of some. A frame whose meaning is not
yet clear waits for its rest, so that a point is never half passed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import struct
import threading
from pathlib import Path
from typing import Callable, Iterator

from gate import BOTH, TO_CLIENT, TO_SERVER, Gate, Link, Pipe
from lib.testing.sanitizers import slowness

COMMIT, COMMITTED, ROWS = "commit", "committed", "rows"             # PostgreSQL
PUBLISH, CONFIRM, DELIVER, ACK = "publish", "confirm", "deliver", "ack"  # AMQP
_HEAD_BYTES_MAX = 64 * 1024   # what is longer passes on, judged by this much of it


@dataclasses.dataclass
class Message:
    """A message that is published or delivered."""

    exchange: str
    routing_key: str
    body: bytes = b""
    redelivered: bool = False


@dataclasses.dataclass
class Frame:
    """One frame of interest, at these bytes of its direction."""

    point: str
    begin: int
    end: int
    who: str = ""  # application_name of PostgreSQL, connection_name of AMQP
    statements: tuple[str, ...] = ()       # PostgreSQL: names or texts of what the transaction ran
    messages: tuple[Message, ...] = ()     # AMQP: what it carries, confirms or acknowledges

    def carries(self, routing_key: str, *texts: str) -> bool:
        """True if one of its messages has that routing key and one of the texts in its body."""
        return any(message.routing_key == routing_key and (not texts or any(
            text.encode() in message.body for text in texts)) for message in self.messages)


class Stop:
    """An order to stop at a point, and then what is held there."""

    def __init__(self, gate: PointGate, point: str, nth: int, where: Callable[[Frame], bool]):
        self.point, self.gate, self._nth, self._where = point, gate, nth, where
        self._reached = threading.Event()
        self._pipe: WatchedPipe | None = None
        self.frame: Frame | None = None
        self.client_port = 0  # of the connection, by which `worker_of` finds the process

    @property
    def reached(self) -> bool:
        return self._reached.is_set()

    def wait(self, timeout_s: float = 60) -> Frame:
        """Returns what is held once it is; AssertionError when the time is over."""
        if not self._reached.wait(timeout_s * slowness()):
            self.cancel()
            raise AssertionError(f"waited {timeout_s:.0f} s for the point {self.point}")
        return self.frame

    def release(self) -> None:
        """It arrives, with everything behind it, whoever of the two is still alive."""
        self._end(lambda pipe: pipe.let_go())

    def drop(self) -> None:
        """It never arrives, nor anything behind it: its connection is reset."""
        self._end(lambda pipe: pipe.link.reset(BOTH))

    def cut_inside(self) -> None:
        """Half of it arrives, and then its connection is reset."""
        def act(pipe: WatchedPipe) -> None:
            pipe.cut_at = (self.frame.begin + self.frame.end) // 2
            pipe.let_go()
        self._end(act)

    def cancel(self) -> None:
        """Not wanted any more; what is held is released."""
        self._end(lambda pipe: pipe.let_go())

    def meets(self, frame: Frame) -> bool:
        """The gate's thread: True for the nth that fits, once."""
        if self.reached or frame.point != self.point or not self._where(frame):
            return False
        self._nth -= 1
        return self._nth == 0

    def hold(self, pipe: WatchedPipe, frame: Frame) -> None:
        """The gate's thread: it is here."""
        self._pipe, self.frame, self.client_port = pipe, frame, pipe.link.client_port
        self._reached.set()

    def _end(self, act: Callable[[WatchedPipe], None]) -> None:
        def on_thread() -> None:
            self.gate.forget(self)
            pipe, self._pipe = self._pipe, None
            if pipe is not None and not pipe.link.gone:
                act(pipe)
        self.gate.call(on_thread)


@dataclasses.dataclass
class GivenUp:
    """True when no connection is left."""

    left: list[str]

    def __bool__(self) -> bool:
        return not self.left


class PointGate(Gate):
    """A gate in front of PostgreSQL or RabbitMQ, told apart by the URL."""

    def __init__(self, server_url: str, default_port: int = 0):
        self._scanners = _postgres_scanners if server_url.startswith("postgres") else _amqp_scanners
        self._stops: list[Stop] = []
        super().__init__(server_url, default_port)

    def stop_at(self, point: str, nth: int = 1, where: Callable[[Frame], bool] = lambda frame: True) -> Stop:
        """Has the gate stop at the nth frame of this kind that fits from now on; its thread calls `where`."""
        stop = Stop(self, point, nth, where)
        self.call(lambda: self._stops.append(stop))
        return stop

    def given_up(self, client_ports: set[int], but: tuple[str, ...] = ()) -> GivenUp:
        """Whether the server has ended all connections from these ports, but those of such names; whether the
        clients know it or not."""
        def look() -> GivenUp:
            whose = {link: link.pipes[TO_SERVER].scanner.session.who for link in self.links
                     if link.client_port in client_ports and not link.pipes[TO_CLIENT].ended}
            return GivenUp([f"{who or 'nobody'} from port {link.client_port}" for link, who in whose.items()
                            if who not in but])
        return self.call(look)

    def match(self, frame: Frame) -> Stop | None:
        """The gate's thread: who wants this one."""
        return next((stop for stop in self._stops if stop.meets(frame)), None)

    def forget(self, stop: Stop) -> None:
        """The gate's thread."""
        if stop in self._stops:
            self._stops.remove(stop)

    def make_pipes(self, link: Link, rules: dict) -> dict[str, Pipe]:
        to_server, to_client = self._scanners()
        client, server = link.sockets[TO_CLIENT], link.sockets[TO_SERVER]
        return {TO_SERVER: WatchedPipe(client, server, rules[TO_SERVER], self, link, to_server),
                TO_CLIENT: WatchedPipe(server, client, rules[TO_CLIENT], self, link, to_client)}


class WatchedPipe(Pipe):
    """A pipe that offers every frame of interest to the stops before it passes it on."""

    def __init__(self, source, sink, rule, gate: PointGate, link: Link, scanner: Scanner):
        super().__init__(source, sink, rule)
        self.link, self._gate, self.scanner = link, gate, scanner
        self._frames: list[Frame] = []
        self._held: Frame | None = None
        self.cut_at: int | None = None

    def take(self, data: bytes) -> None:
        super().take(data)
        self._frames += self.scanner.feed(data)
        self._offer()

    def limit(self) -> int:
        # Whoever said no more will not complete what waits for its rest.
        safe = self.scanner.position if self.ended else self.scanner.safe
        end = min(safe, self._held.begin) if self._held else safe
        end = min(end, self.cut_at) if self.cut_at is not None else end
        return max(0, min(len(self.waiting), end - self.passed))

    def write(self) -> bool:
        going_on = super().write()
        return going_on and (self.cut_at is None or self.passed < self.cut_at)

    def let_go(self) -> None:
        self._held = None
        self._offer()
        self.link.move()

    def _offer(self) -> None:
        while self._frames and self._held is None:
            frame = self._frames.pop(0)
            if stop := self._gate.match(frame):
                self._held = frame
                stop.hold(self, frame)


# Protocols


class Scanner:
    """Cuts one direction of a connection into frames."""

    def __init__(self, session: _Session):
        self.session = session
        self.position = 0           # bytes seen
        self._head = b""            # those that are not judged yet
        self._skip = 0              # the rest of a frame that is

    @property
    def judged(self) -> int:
        """Bytes of whole frames, or of such that nobody needs the rest of."""
        return self.position - len(self._head)

    @property
    def safe(self) -> int:
        """Bytes that may pass on."""
        return self.judged

    def feed(self, data: bytes) -> list[Frame]:
        """The frames of interest that these bytes complete."""
        self.position += len(data)
        self._head += data
        return list(self._judge())

    def _judge(self) -> Iterator[Frame]:
        while self._head:
            if self._skip:
                skipped = min(self._skip, len(self._head))
                self._head, self._skip = self._head[skipped:], self._skip - skipped
                continue
            begin, length = self.judged, self.length()
            if length is None or len(self._head) < min(length, _HEAD_BYTES_MAX):
                return
            head, self._skip = self._head[:length], max(0, length - len(self._head))
            self._head = self._head[length:]
            yield from self.meaning(head, begin, begin + length)

    def length(self) -> int | None:
        """Of the frame that begins the head; None if that takes more bytes."""
        raise NotImplementedError

    def meaning(self, head: bytes, begin: int, end: int) -> Iterator[Frame]:
        raise NotImplementedError


@dataclasses.dataclass
class _Session:
    """What both directions of one connection know."""

    who: str = ""
    single_bytes: int = 0                                       # PostgreSQL: answers of one byte that are due
    statements: list[str] = dataclasses.field(default_factory=list)
    committed: tuple[str, ...] = ()
    # By channel: what was published, in order; what was delivered, by tag.
    published: dict[int, list[Message | None]] = dataclasses.field(default_factory=dict)
    delivered: dict[int, dict[int, Message]] = dataclasses.field(default_factory=dict)


def _postgres_scanners() -> tuple[Scanner, Scanner]:
    session = _Session()
    return _PostgresClient(session), _PostgresServer(session)


class _PostgresClient(Scanner):
    _NO_TLS_YET, _CANCEL = (80877103, 80877104), 80877102

    def __init__(self, session: _Session):
        super().__init__(session)
        self._started = False
        self._prepared: dict[str, str] = {}
        self._portals: dict[str, str] = {}

    def length(self) -> int | None:
        at = 1 if self._started else 0
        return at + struct.unpack_from("!I", self._head, at)[0] if len(self._head) >= at + 4 else None

    def meaning(self, head: bytes, begin: int, end: int) -> Iterator[Frame]:
        if not self._started:
            return self._start(head)
        kind, texts = head[:1], head[5:].split(b"\0")
        if kind == b"P":
            self._prepared[_text(texts[0])] = _text(texts[1])
        elif kind == b"B":
            self._portals[_text(texts[0])] = _text(texts[1])
        elif kind == b"d":
            return iter((Frame(ROWS, begin, end, self.session.who, tuple(self.session.statements)),))
        elif kind == b"Q":
            return self._run(_text(texts[0]), _text(texts[0]), begin, end)
        elif kind == b"E":
            name = self._portals.get(_text(texts[0]), "")
            sql = self._prepared.get(name, "")
            return self._run(name or sql, sql, begin, end)
        return iter(())

    def _start(self, head: bytes) -> Iterator[Frame]:
        code, = struct.unpack_from("!I", head, 4)
        if code in self._NO_TLS_YET:
            self.session.single_bytes += 1
        elif code != self._CANCEL:
            self._started = True
            words = head[8:].split(b"\0")
            settings = dict(zip(words[::2], words[1::2]))
            self.session.who = _text(settings.get(b"application_name", b""))
        return iter(())

    def _run(self, name: str, sql: str, begin: int, end: int) -> Iterator[Frame]:
        last = sql.rstrip("; \n").rpartition(";")[2].strip().upper()
        if last.startswith(("COMMIT", "END")):
            self.session.committed, self.session.statements = tuple(self.session.statements), []
            yield Frame(COMMIT, begin, end, self.session.who, self.session.committed)
        elif last.startswith(("BEGIN", "START TRANSACTION", "ROLLBACK")):
            self.session.statements = []
        else:
            self.session.statements.append(name)


class _PostgresServer(Scanner):
    def length(self) -> int | None:
        if self.session.single_bytes:
            return 1
        return 1 + struct.unpack_from("!I", self._head, 1)[0] if len(self._head) >= 5 else None

    def meaning(self, head: bytes, begin: int, end: int) -> Iterator[Frame]:
        if self.session.single_bytes:
            self.session.single_bytes -= 1
        elif head[:1] == b"C" and head[5:].rstrip(b"\0") == b"COMMIT":
            yield Frame(COMMITTED, begin, end, self.session.who, self.session.committed)


def _amqp_scanners() -> tuple[Scanner, Scanner]:
    session = _Session()
    return _Amqp(session, from_client=True), _Amqp(session, from_client=False)


class _Amqp(Scanner):
    _METHOD, _HEADER, _BODY, _GREETING = 1, 2, 3, b"AMQP"
    _START_OK, _SELECT, _PUBLISH, _DELIVER, _ACK = (10, 11), (85, 10), (60, 40), (60, 60), (60, 80)

    def __init__(self, session: _Session, from_client: bool):
        super().__init__(session)
        self._from_client = from_client
        self._arriving: dict[int, tuple[Frame, int]] = {}  # by channel: a message that lacks so many bytes

    @property
    def safe(self) -> int:
        # A message that has begun waits for its rest, unless it is too long to be kept.
        begins = [frame.begin for frame, _ in self._arriving.values()
                  if self.position - frame.begin < _HEAD_BYTES_MAX]
        return min([self.judged, *begins])

    def length(self) -> int | None:
        if self._head.startswith(self._GREETING):
            return 8
        return 8 + struct.unpack_from("!I", self._head, 3)[0] if len(self._head) >= 7 else None

    def meaning(self, head: bytes, begin: int, end: int) -> Iterator[Frame]:
        if head.startswith(self._GREETING):
            return
        kind, channel = struct.unpack_from("!BH", head)
        if kind == self._METHOD:
            yield from self._method(channel, struct.unpack_from("!HH", head, 7), head[11:-1], begin, end)
        elif kind in (self._HEADER, self._BODY) and channel in self._arriving:
            frame, missing = self._arriving.pop(channel)
            frame.end = end
            if kind == self._HEADER:
                missing, = struct.unpack_from("!Q", head, 11)
            else:
                frame.messages[0].body += head[7:-1]
                missing -= end - begin - 8
            if missing:
                self._arriving[channel] = frame, missing
            else:
                yield frame

    def _method(self, channel: int, method: tuple, arguments: bytes, begin: int, end: int) -> Iterator[Frame]:
        session, published = self.session, self.session.published
        if method == self._START_OK:
            at = arguments.find(b"connection_nameS") + 16
            if at >= 16:
                size, = struct.unpack_from("!I", arguments, at)
                session.who = _text(arguments[at + 4:at + 4 + size])
        elif method == self._SELECT:
            published[channel] = []
        elif method == self._PUBLISH:
            exchange, routing_key = _short_strings(arguments[2:], 2)
            message = Message(exchange, routing_key)
            if channel in published:
                published[channel].append(message)
            self._arriving[channel] = Frame(PUBLISH, begin, end, session.who, (), (message,)), 0
        elif method == self._DELIVER:
            consumer, = _short_strings(arguments, 1)
            tag, again = struct.unpack_from("!QB", arguments, 1 + len(consumer))
            exchange, routing_key = _short_strings(arguments[len(consumer) + 10:], 2)
            message = Message(exchange, routing_key, redelivered=bool(again & 1))
            session.delivered.setdefault(channel, {})[tag] = message
            self._arriving[channel] = Frame(DELIVER, begin, end, session.who, (), (message,)), 0
        elif method == self._ACK:
            tag, several = struct.unpack_from("!QB", arguments)
            point, messages = (ACK, self._acknowledged(channel, tag, several & 1)) if self._from_client else \
                (CONFIRM, self._confirmed(channel, tag, several & 1))
            yield Frame(point, begin, end, session.who, (), messages)

    def _acknowledged(self, channel: int, tag: int, several: int) -> tuple[Message, ...]:
        delivered = self.session.delivered.get(channel, {})
        tags = [one for one in delivered if one == tag or (several and one < tag)]
        return tuple(delivered.pop(one) for one in tags)

    def _confirmed(self, channel: int, tag: int, several: int) -> tuple[Message, ...]:
        published = self.session.published.get(channel, [])
        found = []
        for index in range(0 if several else tag - 1, min(tag, len(published))):
            if published[index] is not None:
                found.append(published[index])
                published[index] = None
        return tuple(found)


def _short_strings(data: bytes, count: int) -> list[str]:
    found, at = [], 0
    for _ in range(count):
        size = data[at]
        found.append(_text(data[at + 1:at + 1 + size]))
        at += 1 + size
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


# Processes


def worker_of(stop: Stop, fleet):
    """The worker whose connection is held; None if it does not run any more."""
    return next((worker for worker in fleet.running() if stop.client_port in ports_to(stop.gate, worker.pid)), None)


def ports_to(gate: Gate, pid: int) -> set[int]:
    """The local ports of a process's connections to a gate. Its connections to other servers may have the same ports as
    another process's to this one."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            inodes.add(os.readlink(descriptor))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {_port(row[1]) for row in rows if f"socket:[{row[9]}]" in inodes and _port(row[2]) == gate.port}


def _port(address: str) -> int:
    """As /proc/net/tcp writes it."""
    return int(address.rpartition(":")[2], 16)
