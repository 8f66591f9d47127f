"""Sellers' HTTP endpoints: one process that takes signed webhooks and writes down what it accepted.

    python3 -m lib.receiver --port 0 --log F --secret whsec_…        # says {"port": N} on standard output

A seller's endpoint is a path, /hook/<name>. It answers 204 until it is told otherwise by a POST to
/behave/<name> with a JSON object:

    {"status": 503, "retry_after": 2}    answers that
    {"stall_s": 5}                       takes its time first
    {"cut": true}                        accepts nothing: closes in the middle of its answer
    {"huge": true}                       accepts, with a body of 10 MB
    {"redirect": "http://…"}             answers 307
    {}                                   accepts again

Every request of a hook is a line of the log, in order of arrival: path, id, status, whether its signature
fits, and for an accepted one the arrival (lib.evidence.Arrival), written before the answer is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Iterator

from .console import Trouble
from .evidence import Arrival

TOLERANCE_S = 300
_READY_WITHIN_S = 10
_BODY_BYTES_MAX = 16 * 1024 * 1024


def signature_fits(secret: str, headers: dict[str, str], body: bytes, now_s: float) -> bool:
    """Standard Webhooks 1.0: one of the signatures is that of id.timestamp.body, and it is fresh."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    try:
        timestamp_s = int(headers["webhook-timestamp"])
        signed = f"{headers['webhook-id']}.{timestamp_s}.".encode() + body
        offered = headers["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return abs(now_s - timestamp_s) <= TOLERANCE_S and any(hmac.compare_digest(wanted, one) for one in offered)


class Receiver:
    """The server; everything runs in one event loop."""

    def __init__(self, log: Path, secret: str):
        self._log = open(log, "ab", buffering=0)
        self._secret = secret
        self._behaviours: dict[str, dict] = {}

    async def serve(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=1000, ssl=tls)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        stopped, parent = asyncio.Event(), os.getppid()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        while not stopped.is_set() and os.getppid() == parent:  # without its parent nobody would end it
            try:
                await asyncio.wait_for(stopped.wait(), 1)
            except asyncio.TimeoutError:
                pass
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when the connection ends."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        _, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        length = int(headers.get("content-length", 0))
        if length > _BODY_BYTES_MAX:
            return False
        body = await reader.readexactly(length)
        folder, _, name = path.strip("/").partition("/")
        if folder == "behave":
            self._behaviours[name] = json.loads(body)
            return await self._answer(writer, 204)
        if folder != "hook":
            return await self._answer(writer, 404)
        return await self._hook(name, headers, body, writer)

    async def _hook(self, name: str, headers: dict, body: bytes, writer: asyncio.StreamWriter) -> bool:
        behaviour = self._behaviours.get(name, {})
        fits = signature_fits(self._secret, headers, body, time.time())
        if behaviour.get("stall_s"):
            await asyncio.sleep(behaviour["stall_s"])
        status = 401 if not fits else 307 if behaviour.get("redirect") else behaviour.get("status", 204)
        cut = bool(behaviour.get("cut"))
        accepted = status < 300 and not cut
        line = [name, headers.get("webhook-id", ""), 0 if cut else status, fits]
        self._log.write(json.dumps(line + (arrival_fields(name, headers, body) if accepted else [])).encode() + b"\n")
        if cut:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            await writer.drain()
            return False
        more = f"Location: {behaviour['redirect']}\r\n" if behaviour.get("redirect") else ""
        if "retry_after" in behaviour:
            more += f"Retry-After: {behaviour['retry_after']}\r\n"
        return await self._answer(writer, status, more, b"x" * 10_000_000 if behaviour.get("huge") else b"")

    async def _answer(self, writer: asyncio.StreamWriter, status: int, headers: str = "", body: bytes = b"") -> bool:
        length = "" if status == 204 and not body else f"Content-Length: {len(body)}\r\n"
        status = 200 if body and status == 204 else status
        writer.write(f"HTTP/1.1 {status} X\r\n{length}{headers}\r\n".encode() + body)
        await writer.drain()
        return True


def arrival_fields(name: str, headers: dict, body: bytes) -> list:
    from .sellers import read_arrival
    return list(read_arrival(f"endpoint:{name}", headers.get("webhook-id", ""), json.loads(body), body))


def read_log(path: Path) -> Iterator[tuple[str, str, int, bool, Arrival | None]]:
    """(name, webhook id, status, does its signature fit, arrival of what was accepted), in order."""
    if path.exists():
        with open(path, encoding="utf-8") as log:
            for line in log:
                name, message_id, status, fits, *fields = json.loads(line)
                yield name, message_id, status, fits, Arrival.from_list(fields) if fields else None


class ReceiverProcess:
    """The receiver as a child process, which can die and return on its port."""

    def __init__(self, log: Path, secret: str, errors: Path, tls: tuple[Path, Path] | None = None):
        """`tls`: files of a certificate for localhost and its key."""
        self._log, self._secret, self._errors, self._tls = log, secret, errors, tls
        self.port = 0
        self._process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-m", "lib.receiver", "--port", str(self.port), "--log", str(self._log),
                "--secret", self._secret, *(["--tls", *map(str, self._tls)] if self._tls else [])]
        with open(self._errors, "ab") as errors:
            self._process = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=Path(__file__).parents[1])
        said = self._process.stdout.readline()
        if not said:
            raise Trouble("the receiver of sellers' endpoints did not start", f"read {self._errors}")
        self.port = json.loads(said)["port"]

    def url(self, name: str) -> str:
        return f"https://localhost:{self.port}/hook/{name}" if self._tls else f"http://127.0.0.1:{self.port}/hook/{name}"

    def behave(self, name: str, **behaviour) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/behave/{name}",
                                         data=json.dumps(behaviour).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=_READY_WITHIN_S):
            pass

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Like a process that died: nobody listens any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_READY_WITHIN_S)
            self._process.stdout.close()
            self._process = None


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes sellers' webhooks and writes down what it accepted.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="PEM files; without them plain HTTP")
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.tls)
    asyncio.run(Receiver(options.log, options.secret).serve(options.port, tls))


if __name__ == "__main__":
    main()
