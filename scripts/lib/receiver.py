"""Sellers' HTTP endpoints: one process that takes signed webhooks and writes down what came of each.

    with ReceiverProcess(folder / "calls.jsonl", "whsec_…", errors=folder / "receiver.log") as receiver:
        receiver.url("acme")                     # of one seller's endpoint: the path /hook/acme
        receiver.behave("acme", status=503, retry_after=2, times=3)
        receiver.kill(); receiver.start()        # nobody listens any more; the same port again
        receiver.calls()                         # all requests so far, in order: lib.evidence.Call

An endpoint answers 204 until it is told otherwise:

    status=503, retry_after=2    answers that
    stall_s=5                    takes its time first
    hold=True                    waits to be told something else, and does that
    cut=True                     accepts nothing: closes in the middle of its answer
    lose=True                    accepts, and closes without an answer
    huge=True                    accepts, with a body of 10 MB
    redirect="http://…"          answers 307
    times=3                      with any of these: for so many requests, then it accepts again

A line of the log is written before the answer is sent, so that what a killed process had accepted is known.
On its own: python3 -m lib.receiver --log F --secret whsec_…    # says {"port": N} on standard output
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Iterator, Sequence

from . import processes
from .console import Trouble
from .evidence import Call
from .sellers import read_arrival

TOLERANCE_S = 300
BODY_BYTES_MAX = 16 * 1024 * 1024
_HUGE_BYTES = 10_000_000
_READY_WITHIN_S = 10
_PARENT_LOOKED_FOR_EVERY_S = 1
_BACKLOG_MAX = 1000


def signature_fits(secrets: Sequence[str], headers: dict[str, str], body: bytes, now_s: float) -> bool:
    """Standard Webhooks 1.0: a signature is that of id.timestamp.body under one of the secrets, and fresh."""
    try:
        timestamp_s = int(headers["webhook-timestamp"])
        signed = f"{headers['webhook-id']}.{timestamp_s}.".encode() + body
        offered = headers["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    if abs(now_s - timestamp_s) > TOLERANCE_S:
        return False
    return any(hmac.compare_digest(signature(secret, signed), one) for secret in secrets for one in offered)


def signature(secret: str, signed: bytes) -> str:
    """v1,<base64>, of id.timestamp.body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Refused(Exception):
    """A request that is not HTTP as spoken here; its connection ends."""

    def __init__(self, status: HTTPStatus):
        super().__init__(status)
        self.status = status


class Receiver:
    """The server; everything runs in one event loop."""

    def __init__(self, log: Path, secrets: Sequence[str]):
        self._log = open(log, "ab", buffering=0)
        self._secrets = list(secrets)
        self._behaviours: dict[str, dict] = {}
        self._told = asyncio.Condition()

    async def serve(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=_BACKLOG_MAX, ssl=tls)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        while not stopped.is_set() and not processes.orphaned():
            try:
                await asyncio.wait_for(stopped.wait(), _PARENT_LOOKED_FOR_EVERY_S)
            except asyncio.TimeoutError:
                pass
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except Refused as refused:
            await self._answer(writer, refused.status, "Connection: close\r\n")
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when the connection ends."""
        method, path, headers = _head(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(_length(method, headers))
        folder, _, name = path.strip("/").partition("/")
        keep = headers.get("connection", "").lower() != "close"
        if folder not in ("hook", "behave"):
            await self._answer(writer, HTTPStatus.NOT_FOUND)
        elif method != "POST":
            await self._answer(writer, HTTPStatus.METHOD_NOT_ALLOWED, "Allow: POST\r\n")
        elif folder == "behave":
            async with self._told:
                self._behaviours[name] = json.loads(body)
                self._told.notify_all()
            await self._answer(writer, HTTPStatus.NO_CONTENT)
        else:
            keep = await self._hook(name, headers, body, writer) and keep
        return keep

    async def _hook(self, name: str, headers: dict, body: bytes, writer: asyncio.StreamWriter) -> bool:
        behaviour = self._behaviour(name)
        signed = signature_fits(self._secrets, headers, body, time.time())
        if behaviour.get("hold"):
            async with self._told:
                await self._told.wait_for(lambda: self._behaviours.get(name) is not behaviour)
            behaviour = self._behaviour(name)
        if behaviour.get("stall_s"):
            await asyncio.sleep(behaviour["stall_s"])
        status = behaviour.get("status", 307 if behaviour.get("redirect") else 204)
        status = 401 if not signed else 0 if behaviour.get("cut") else status
        call = _call(name, headers, body, status, signed)
        self._log.write(json.dumps(list(call), separators=(",", ":")).encode() + b"\n")
        if call.status == 0:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            await writer.drain()
            return False
        if behaviour.get("lose"):
            return False
        more = f"Location: {behaviour['redirect']}\r\n" if behaviour.get("redirect") else ""
        if "retry_after" in behaviour:
            more += f"Retry-After: {behaviour['retry_after']}\r\n"
        huge = behaviour.get("huge") and call.status == 204
        await self._answer(writer, 200 if huge else call.status, more, b"x" * _HUGE_BYTES if huge else b"")
        return True

    def _behaviour(self, name: str) -> dict:
        """For one more request."""
        behaviour = self._behaviours.get(name, {})
        if "times" in behaviour:
            behaviour["times"] -= 1
            if behaviour["times"] <= 0:
                del self._behaviours[name]
        return behaviour

    @staticmethod
    async def _answer(writer: asyncio.StreamWriter, status: int, headers: str = "", body: bytes = b"") -> None:
        length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 {int(status)} {_phrase(status)}\r\n{length}{headers}\r\n".encode() + body)
        await writer.drain()


def _head(text: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers, their names in small letters."""
    first, *lines = text.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not all(":" in line for line in lines):
        raise Refused(HTTPStatus.BAD_REQUEST)
    headers = (line.partition(":") for line in lines)
    return words[0], words[1], {name.lower(): value.strip() for name, _, value in headers}


def _length(method: str, headers: dict[str, str]) -> int:
    """Of the body; how many bytes come is to be said first."""
    said = headers.get("content-length", "" if method == "POST" else "0")
    if "transfer-encoding" in headers or not said:
        raise Refused(HTTPStatus.LENGTH_REQUIRED)
    if not said.isdecimal():
        raise Refused(HTTPStatus.BAD_REQUEST)
    if int(said) > BODY_BYTES_MAX:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(said)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Other"


def _call(name: str, headers: dict, body: bytes, status: int, signed: bool) -> Call:
    """The line to write; what should be accepted and is no seller message is answered as a bad request."""
    message_id, at_s = headers.get("webhook-id", ""), time.monotonic()
    try:
        arrival = read_arrival(f"endpoint:{name}", message_id, json.loads(body), body, at_s)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        status = 400 if 200 <= status < 300 else status
        return Call(name, message_id, status, signed, at_s, "", "", 0, hashlib.sha256(body).hexdigest(), None)
    return Call(name, message_id, status, signed, at_s, arrival.seller_id, arrival.stream, arrival.number,
                arrival.digest, arrival if 200 <= status < 300 else None)


def read_log(path: Path) -> Iterator[Call]:
    """In order; a line that is still being written is left out."""
    if path.exists():
        with open(path, encoding="utf-8") as log:
            for line in log:
                if line.endswith("\n"):
                    yield Call.from_list(json.loads(line))


class ReceiverProcess:
    """The receiver as a child process, which can die and return on its port."""

    def __init__(self, log: Path, secret: str, errors: Path, tls: tuple[Path, Path] | None = None,
                 more_secrets: Sequence[str] = (), port: int = 0, mark: Path | None = None):
        """`tls`: files of a certificate for localhost and its key. A signature of any secret fits. Port 0: any.
        `mark`: the run directory whose leftovers it belongs to if this command is killed."""
        self.log, self._secrets, self._errors, self._tls = log, [secret, *more_secrets], errors, tls
        self._environment = {**processes.environment_of_dependant(), **({processes.MARK: str(mark)} if mark else {})}
        self.port = port
        self._process: subprocess.Popen | None = None
        self._calls: list[Call] = []
        self._read_to = 0
        self.start()

    def __enter__(self) -> ReceiverProcess:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """On the port that it had; whatever it was told before, it accepts."""
        argv = [sys.executable, "-m", "lib.receiver", "--port", str(self.port), "--log", str(self.log)]
        for secret in self._secrets:
            argv += ["--secret", secret]
        with open(self._errors, "ab") as errors:
            self._process = subprocess.Popen(
                argv + (["--tls", *map(str, self._tls)] if self._tls else []),
                stdout=subprocess.PIPE, stderr=errors, text=True, cwd=Path(__file__).parents[1],
                env=self._environment)
        said = self._process.stdout.readline()
        if not said:
            raise Trouble("the receiver of sellers' endpoints did not start", f"read {self._errors}")
        self.port = json.loads(said)["port"]

    def url(self, name: str) -> str:
        return f"{self._server}/hook/{name}"

    def behave(self, name: str, **behaviour) -> None:
        """From now on; without anything it accepts again."""
        request = urllib.request.Request(f"{self._server}/behave/{name}", data=json.dumps(behaviour).encode(),
                                         method="POST")
        unverified = ssl._create_unverified_context() if self._tls else None  # nothing secret, and our own child
        with urllib.request.urlopen(request, timeout=_READY_WITHIN_S, context=unverified):
            pass

    def calls(self) -> list[Call]:
        """All requests so far, in order; what was read before is not read again."""
        if self.log.exists():
            with open(self.log, "rb") as log:
                log.seek(self._read_to)
                lines = log.read().splitlines(keepends=True)
            for line in lines:
                if line.endswith(b"\n"):
                    self._read_to += len(line)
                    self._calls.append(Call.from_list(json.loads(line)))
        return self._calls

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Like a process that died: nobody listens any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    @property
    def _server(self) -> str:
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_READY_WITHIN_S)
            self._process.stdout.close()
            self._process = None


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes sellers' webhooks and writes down what came of each.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--secret", action="append", required=True, help="may be repeated: any will do")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"),
                        help="PEM files; without them plain HTTP")
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.tls)
    asyncio.run(Receiver(options.log, options.secret).serve(options.port, tls))


if __name__ == "__main__":
    main()
