"""At and beyond the highest rate: no queue grows below it, nothing is lost above it, a backlog drains."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Iterator

from .. import operator_command
from ..console import Trouble
from ..fleet import CONFIG, with_settings
from ..reset import amqp_connection
from . import latency, throughput, verify
from .market import Market
from .rig import FLEET_QUEUES, GIVE_UP_AFTER_S, Rig, Usage, depths_of, sellers_queues
from .throughput import Shape

OVERLOAD_QUEUE_MAX = 20_000
BACKLOG_QUEUE_MAX = 4_000_000
RECOVERY_S = 30
_SAMPLE_EVERY_S = 1.0
_BYTES_A_CART = 6_000  # on disk, in the end
_WAL_BYTES_MAX = 8 << 30
# Fewer messages than these come and go in a queue without a meaning; behind the splitter's and the router's there may
# be a thousand events each.
_SLACK = {"reserver.carts": 2_000, "splitter.orders": 8, "router.seller-messages": 8}
_SLACK_ELSEWHERE = 2_000


def sustained(rig: Rig, more_than: float, seconds: int) -> float:
    """Carts/s that come through while more than these come in: with a sender at work, which takes its share of the
    machine, unlike carts that wait."""
    rig.restock(Market())
    with _Hearing(rig) as hearing, rig.fleet():
        sending = rig.begin_load("send", *rig.carts(Market(), "--carts", str(int(1.2 * more_than * seconds)),
                                                    "--rate", str(1.2 * more_than)))
        time.sleep(seconds / 4)
        began_at, began = time.monotonic(), _delivered(rig)
        time.sleep(seconds / 2)
        rate = (_delivered(rig) - began) / (time.monotonic() - began_at)
        sent = sending.result()
        hearing.until(sent["messages"])
        hearing.end()
        verify.run(rig, sent, hearing.record)
    return rate * sent["carts"] / sent["messages"]


def steady(rig: Rig, rate: float, seconds: int) -> dict:
    """Carts at `rate` for so long: how many messages wait in each queue in the second and in the last fifth, and how
    much memory the workers have then."""
    need_room(rig, int(rate * seconds))
    rig.restock(Market())
    with _Hearing(rig) as hearing, rig.fleet() as fleet:
        sending = rig.begin_load("send", *rig.carts(Market(), "--carts", str(int(rate * seconds)), "--rate", str(rate)))
        samples = [(depths, rig.usage(fleet)) for depths in _depths(rig, sending)]
        sent = sending.result()
        hearing.until(sent["messages"])
        hearing.end()
        verify.run(rig, sent, hearing.record)
    return {"rate": rate, "seconds": seconds, "offered_per_s": sent["carts"] / sent["seconds"],
            "late_ms_max": sent["late_ms_max"], **growth(samples)}


def growth(samples: list[tuple[dict[str, int], Usage]]) -> dict:
    """What waited and what was resident in the second fifth of the samples and in the last, medians; the queues that
    grew."""
    fifth = len(samples) // 5
    if fifth == 0:
        raise Trouble(f"{len(samples)} samples say nothing about growth", "measure for longer")
    early, late = samples[fifth:2 * fifth], samples[-fifth:]

    def waiting(those) -> dict[str, float]:
        return {queue: statistics.median(depths[queue] for depths, _ in those) for queue in those[0][0]}

    def resident(those) -> dict[str, float]:
        return {name: statistics.median(usage.resident_bytes[name] for _, usage in those) / 1e6
                for name in those[0][1].resident_bytes}

    before, after = waiting(early), waiting(late)
    return {"waiting_early": before, "waiting_late": after, "resident_mb_early": resident(early),
            "resident_mb_late": resident(late),
            "grew": [queue for queue in before
                     if after[queue] > max(1.5 * before[queue], _SLACK.get(queue, _SLACK_ELSEWHERE))]}


def overload(rig: Rig, rate: float, seconds: int, usual_p99_ms: float) -> dict:
    """Carts at `rate`, more than the fleet takes, and then 200 a second: memory, refusals, losses, how full the queue
    of carts got, and how soon the latter are as fast as usual."""
    need_room(rig, int(rate * seconds))
    rig.restock(Market())
    usual_ms = max(50.0, 2 * usual_p99_ms)
    with _limit(rig, OVERLOAD_QUEUE_MAX) as config, tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        with rig.fleet(config=config) as fleet:
            begin = rig.usage(fleet)
            load = latency.begin(
                rig, Market(), record, "--lead-rate", str(rate), "--lead-seconds", str(seconds), "--rate", "200",
                "--seconds", str(RECOVERY_S), "--warm-up", "0", "--patience", "300", "--usual-ms", str(usual_ms),
                "--unconfirmed-max", str(OVERLOAD_QUEUE_MAX))
            deepest = max(depths["reserver.carts"] for depths in _depths(rig, load))
            sent = latency.result(load)
            end = rig.usage(fleet)
        verify.run(rig, sent, record)
    return {"asked_per_s": rate, "offered_per_s": sent["lead_carts"] / sent["lead_seconds"],
            "seconds": sent["lead_seconds"], "nacked": sent["nacked"],
            "queue_max": OVERLOAD_QUEUE_MAX, "deepest": deepest,
            "resident_mb_begin": {name: used / 1e6 for name, used in begin.resident_bytes.items()},
            "resident_mb_max": {name: used / 1e6 for name, used in end.resident_bytes_max.items()},
            "usual_ms": usual_ms, "back_after_s": sent["usual_after_s"]}


def backlog(rig: Rig, carts: int, ordinary: int) -> tuple[throughput.Run, list[throughput.Run]]:
    """So many carts wait when the fleet starts; and the ordinary runs before and after."""
    need_room(rig, carts)
    before = throughput.to_sellers(rig, ordinary)
    with _limit(rig, BACKLOG_QUEUE_MAX) as config:
        run = throughput.to_sellers(rig, carts, Shape(config=config))
    return run, [before, throughput.to_sellers(rig, ordinary)]


def need_room(rig: Rig, carts: int) -> None:
    needed = carts * _BYTES_A_CART + _WAL_BYTES_MAX
    free = shutil.disk_usage(rig.servers.run.path).free
    if free < needed:
        raise Trouble(f"{carts:,} carts need {needed / 1e9:.0f} GB in {rig.servers.run.path}, "
                      f"{free / 1e9:.0f} GB are free", "make room, or leave this part out")


class _Hearing:
    """A sellers' consumer that is ended when all that was sent has been delivered."""

    def __init__(self, rig: Rig):
        self._rig = rig

    def __enter__(self) -> _Hearing:
        self._folder = tempfile.TemporaryDirectory()
        self.record = Path(self._folder.name) / "record"
        self._load = self._rig.begin_load("hear", "--amqp", self._rig.amqp_url, "--expect", "1000000000",
                                          "--patience", "600", "--record", str(self.record))
        self._load.wait_listening()
        return self

    def __exit__(self, *_) -> None:
        self._load.kill()
        self._folder.cleanup()

    def until(self, messages: int) -> None:
        """Waits until so many were delivered and taken."""
        deadline = time.monotonic() + GIVE_UP_AFTER_S
        while _delivered(self._rig) < messages:
            if time.monotonic() > deadline:
                raise Trouble(f"not all of {messages} messages were delivered", f"logs: {self._rig.servers.run.log}")
            self._rig.check_workers()
            time.sleep(0.5)
        self._rig.until_empty(sellers_queues())

    def end(self) -> None:
        self._load.stop()
        self._load.result()


def _delivered(rig: Rig) -> int:
    return rig.rows("select coalesce(sum(last_delivered), 0)::bigint from seller_delivery")[0][0]


def _depths(rig: Rig, load) -> Iterator[dict[str, int]]:
    """How many messages wait in each queue, every second until the load has ended."""
    with contextlib.closing(amqp_connection(rig.servers)) as connection:
        channel = connection.channel()
        while load.running():
            yield depths_of(channel, FLEET_QUEUES + sellers_queues())
            rig.check_workers()
            time.sleep(_SAMPLE_EVERY_S)


@contextlib.contextmanager
def _limit(rig: Rig, messages_max: int) -> Iterator[Path]:
    """Input queues hold so many messages meanwhile; the configuration that says so."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "cartwright.yaml"
        config.write_text(with_settings(r"^topology:\n", f"topology:\n  input_messages_max: {messages_max}\n"))
        _apply(rig, config)
        try:
            yield config
        finally:
            _apply(rig, CONFIG)


def _apply(rig: Rig, config: Path) -> None:
    operator_command.cartwright(rig.servers, "topology", "--config", str(config), "apply", preset=rig.preset)
