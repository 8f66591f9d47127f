"""At and beyond the highest rate: no queue grows below it, nothing is lost above it, a backlog drains."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from pathlib import Path
from typing import Iterator

from .. import operator_command
from ..console import Trouble
from ..fleet import CONFIG
from ..reset import amqp_connection
from . import latency, throughput, verify
from .market import Market
from .rig import FLEET_QUEUES, GIVE_UP_AFTER_S, Rig, depth_of, sellers_queues
from .throughput import Shape

OVERLOAD_QUEUE_MAX = 200_000
BACKLOG_QUEUE_MAX = 4_000_000
_SAMPLE_EVERY_S = 1.0


def steady(rig: Rig, rate: float, seconds: int) -> dict:
    """Carts at `rate` for so long: how many wait in all queues, in the first and in the last fifth."""
    rig.restock(Market())
    carts = int(rate * seconds)
    with _hearing(rig) as (hearing, record), rig.fleet() as fleet:
        sending = rig.begin_load("send", *rig.carts(Market(), "--carts", str(carts), "--rate", str(rate)))
        depths = _sampled(rig, sending, lambda: None)
        sent = sending.result()
        hearing.expect(sent["messages"])
        resident = rig.usage(fleet).resident_bytes
        bad = _verified(rig, rig.run, sent, record())
    fifth = max(1, len(depths) // 5)
    return {"rate": rate, "seconds": seconds, "waiting_first_fifth": max(depths[:fifth]), "waiting_last_fifth": max(depths[-fifth:]),
            "resident_mb": {name: used / 1e6 for name, used in resident.items()}, "violations": bad}


def overload(rig: Rig, rate: float, seconds: int, usual_p99_ms: float) -> dict:
    """Carts at `rate`, more than the fleet takes: memory, refusals, losses, and how soon all is as before."""
    rig.restock(Market())
    carts, memory = int(rate * seconds), []
    with _limit(rig, OVERLOAD_QUEUE_MAX) as config, _hearing(rig) as (hearing, record), rig.fleet(config=config) as fleet:
        begin = rig.usage(fleet).resident_bytes
        sending = rig.begin_load("send", *rig.carts(Market(), "--carts", str(carts), "--rate", str(rate), "--unconfirmed-max",
                                                    "20000"))
        _sampled(rig, sending, lambda: memory.append(rig.usage(fleet).resident_bytes))
        sent = sending.result()
        rig.until_depth(lambda depth: depth == 0, FLEET_QUEUES)
        hearing.expect(sent["messages"])
        heard, run, begun_at = record(), rig.run, time.monotonic()
        while (after := latency.timed(rig.next_run(), 200, 3))["p99_ms"] > max(50.0, 2 * usual_p99_ms):
            if time.monotonic() - begun_at > 60:
                break
        back_after_s = time.monotonic() - begun_at
        verified = _verified(rig, run, sent, heard)
    most = {name: max(one[name] for one in memory) / 1e6 for name in begin}
    return {"offered_per_s": rate, "seconds": seconds, "sent_in_s": sent["seconds"], "nacked": sent["nacked"],
            "resident_mb_begin": {name: used / 1e6 for name, used in begin.items()}, "resident_mb_max": most,
            "p99_ms_after": after["p99_ms"], "back_after_s": back_after_s, "violations": verified}


def backlog(rig: Rig, carts: int) -> throughput.Run:
    """So many carts wait when the fleet starts."""
    with _limit(rig, BACKLOG_QUEUE_MAX) as config:
        return throughput.to_sellers(rig, carts, Shape(config=config))


class _Hearing:
    """A sellers' consumer that is told late how many messages to wait for."""

    def __init__(self, rig: Rig, record: Path):
        self._rig, self._record, self._load = rig, record, None

    def begin(self) -> None:
        self._load = self._rig.begin_load("hear", "--amqp", self._rig.amqp_url, "--expect", "1000000000", "--patience", "600",
                                          "--record", str(self._record))
        self._load.wait_listening()

    def expect(self, messages: int) -> None:
        """Waits until so many were delivered and taken."""
        deadline = time.monotonic() + GIVE_UP_AFTER_S
        while self._rig.rows("select coalesce(sum(last_delivered), 0) from seller_delivery")[0][0] < messages:
            if time.monotonic() > deadline:
                raise Trouble(f"not all of {messages} messages were delivered", f"logs: {self._rig.servers.run.log}")
            time.sleep(0.5)
        self._rig.until_depth(lambda depth: depth == 0)

    def end(self) -> None:
        self._load.stop()
        self._load.result()


@contextlib.contextmanager
def _hearing(rig: Rig):
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        hearing = _Hearing(rig, record)
        hearing.begin()
        ended = []

        def end() -> Path:
            if not ended:
                hearing.end()
                ended.append(True)
            return record

        try:
            yield hearing, end
        finally:
            end()


def _verified(rig: Rig, run: int, sent: dict, record: Path) -> list[str]:
    bad = verify.orders(rig, run, sent["carts"], sent["lines"]) + verify.databases(rig) + verify.messages(rig, run, record)
    rig.violations += bad
    return bad


def _sampled(rig: Rig, sending, also) -> list[int]:
    """How many messages wait, every second until the load has sent everything."""
    depths = []
    with contextlib.closing(amqp_connection(rig.servers)) as connection:
        channel = connection.channel()
        while sending.running():
            depths.append(depth_of(channel, FLEET_QUEUES + sellers_queues()))
            also()
            time.sleep(_SAMPLE_EVERY_S)
    return depths


@contextlib.contextmanager
def _limit(rig: Rig, messages_max: int) -> Iterator[Path]:
    """Input queues hold so many messages meanwhile; the configuration that says so."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "cartwright.yaml"
        config.write_text(re.sub(r"^topology:\n", f"topology:\n  input_messages_max: {messages_max}\n", CONFIG.read_text(),
                                 count=1, flags=re.M))
        _apply(rig, config)
        try:
            yield config
        finally:
            _apply(rig, CONFIG)


def _apply(rig: Rig, config: Path) -> None:
    operator_command.cartwright(rig.servers, "topology", "--config", str(config), "apply", preset=rig.preset)
