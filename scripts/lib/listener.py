"""A process that consumes queues and writes down what it sees, in order, before it acknowledges.

Both programs of the demonstration that listen are one of these: lib.sellers and lib.replies. Progress goes to
standard output, a JSON line now and then; SIGTERM ends it after what it has was written and acknowledged.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Sequence

import pika

from . import processes

_PREFETCH = 500
_ACK_AFTER = 200
_STATUS_EVERY_S = 0.2
_IDLE_S = 0.05
_RECONNECT_AFTER_S = 0.5


class Listener:
    """`describe(queue, properties, body)` gives the line to write, or None for nothing."""

    def __init__(self, url: str, queues: Sequence[str], log: Path, describe: Callable,
                 status: Callable[[], dict]):
        self._url = url
        self._queues = queues
        self._log = open(log, "ab", buffering=1 << 18)
        self._describe = describe
        self._status = status
        self._stopping = False
        self._unacknowledged = 0
        self._last_tag = 0
        self._said_at = 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def run(self) -> None:
        """Until SIGTERM. A lost connection is opened again: what was not acknowledged then comes twice."""
        while not self._stopping and not processes.orphaned():
            try:
                self._consume()
            except pika.exceptions.AMQPConnectionError:
                time.sleep(_RECONNECT_AFTER_S)
        self._say(now=True)
        self._log.close()

    def _consume(self) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self._url))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=_PREFETCH)
        self._unacknowledged = 0
        for queue in self._queues:
            channel.basic_consume(queue, self._received(queue))
        while not self._stopping and not processes.orphaned():
            connection.process_data_events(time_limit=_IDLE_S)
            self._acknowledge(channel)
            self._say()
        self._acknowledge(channel)
        connection.close()

    def _received(self, queue: str) -> Callable:
        def received(channel, method, properties, body) -> None:
            line = self._describe(queue, properties, body)
            if line is not None:
                self._log.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            self._unacknowledged += 1
            self._last_tag = method.delivery_tag
            if self._unacknowledged >= _ACK_AFTER:
                self._acknowledge(channel)
        return received

    def _acknowledge(self, channel) -> None:
        """Everything up to the last one, which is all that was written: one consumer's tags ascend."""
        if self._unacknowledged:
            self._log.flush()
            channel.basic_ack(self._last_tag, multiple=True)
            self._unacknowledged = 0

    def _say(self, now: bool = False) -> None:
        if now or time.monotonic() - self._said_at >= _STATUS_EVERY_S:
            self._said_at = time.monotonic()
            print(json.dumps(self._status()), flush=True)

    def _stop(self, *_) -> None:
        self._stopping = True


class ListenerProcess:
    """One of the two programs, run beside the demonstration; `status` is what it said last."""

    def __init__(self, module: str, *arguments: str, log: Path, mark: Path):
        """`mark`: the run directory whose leftovers it belongs to if this command is killed."""
        self._errors = open(log, "wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=Path(__file__).resolve().parents[1], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors,
            env={**processes.environment_of_dependant(), processes.MARK: str(mark)}, start_new_session=True)
        self.log = log
        self.status: dict = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, timeout_s: float = 20) -> None:
        """Ends it; its last words are in `status` then."""
        if self.alive():
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        self._errors.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            try:
                self.status = json.loads(line)
            except ValueError:
                continue
