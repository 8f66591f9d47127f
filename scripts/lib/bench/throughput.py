"""Carts/s with the carts waiting when the fleet starts, CPU a cart and memory."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Iterable, Iterator, Mapping

from ..console import Trouble
from . import verify
from .market import Market
from .rig import Rig, Usage


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is special about a run."""

    market: Market = Market()
    repeats: float = 0.0    # share of carts that come twice
    cancelled: float = 0.0  # share of orders that are cancelled when their first seller hears of them
    replicas: Mapping[str, int] | None = None
    config: Path | None = None


@dataclasses.dataclass
class Run:
    """One run. Rates are taken from the first to the last message to a seller."""

    carts: int
    messages: int
    carts_per_s: float
    carts_per_s_with_start: float
    cpu_ms_per_cart: dict[str, float]
    resident_mb: dict[str, float]
    written_kb_per_cart: dict[str, float]
    violations: list[str]


def to_queues(rig: Rig, carts: int, shape: Shape = Shape()) -> Run:
    """Until the last message stands in the sellers' queues; nobody consumes them meanwhile."""
    sent = _send(rig, carts, shape)
    with rig.fleet(shape.replicas, shape.config, wait=False) as fleet:
        before, begun_at = rig.usage(fleet), time.monotonic()
        first_at, first = rig.until_sellers_have(1)
        last_at, _ = rig.until_sellers_have(sent["messages"])
        after = rig.usage(fleet)
    if last_at == first_at:
        raise Trouble(f"{carts:,} carts were through before their first message was seen", "take more carts: --carts")
    rate = carts * (1 - first / sent["messages"]) / (last_at - first_at)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        rig.load("hear", "--amqp", rig.amqp_url, "--expect", str(sent["messages"]), "--patience", "5",
                 "--record", str(record))
        bad = verify.run(rig, sent, record, shape.market.elsewhere)
    return _run(sent, (rate, carts / (last_at - begun_at)), (before, after), bad)


def to_sellers(rig: Rig, carts: int, shape: Shape = Shape()) -> Run:
    """Until the sellers' consumer has taken the last message."""
    sent = _send(rig, carts, shape)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        hearing = rig.begin_load("hear", "--amqp", rig.amqp_url, "--expect", str(sent["messages"]),
                                 "--cancel", str(shape.cancelled), "--record", str(record))
        hearing.wait_listening()
        with rig.fleet(shape.replicas, shape.config, wait=False) as fleet:
            before, begun_at = rig.usage(fleet), time.monotonic()
            heard = hearing.result()
            took = time.monotonic() - begun_at
            after = rig.usage(fleet)
        bad = verify.run(rig, sent, record, shape.market.elsewhere, heard["cancelled"])
    if heard["seconds"] == 0:
        raise Trouble(f"the sellers heard {heard['messages']} messages, all at once", "take more carts: --carts")
    return _run(sent, (carts / heard["seconds"], carts / took), (before, after), bad)


def _send(rig: Rig, carts: int, shape: Shape) -> dict:
    rig.restock(shape.market)
    return rig.load("send", *rig.carts(shape.market, "--carts", str(carts), "--repeats", str(shape.repeats)))


def _run(sent: dict, rates: tuple[float, float], usage: tuple[Usage, Usage], bad: list[str]) -> Run:
    before, after = usage
    carts = sent["carts"]
    return Run(carts, sent["messages"], *rates, after.cpu_ms_per_cart(before, carts),
               {name: used / 1e6 for name, used in after.resident_bytes_max.items()},
               after.written_kb_per_cart(before, carts), bad)


def in_turn(names: Iterable[str], reps: int) -> Iterator[str]:
    """Each name so many times, and every other time the other way round: neither a machine that drifts nor what the
    one before left behind favours any."""
    names = list(names)
    for number in range(reps):
        yield from names if number % 2 == 0 else reversed(names)


def summary(runs: list[Run]) -> dict:
    """Medians, and the rates one by one."""
    return {"carts_per_s": statistics.median(run.carts_per_s for run in runs),
            "carts_per_s_with_start": statistics.median(run.carts_per_s_with_start for run in runs),
            "runs": [round(run.carts_per_s) for run in runs],
            "messages_per_cart": statistics.median(run.messages / run.carts for run in runs),
            "cpu_ms_per_cart": median_of([run.cpu_ms_per_cart for run in runs]),
            "resident_mb": median_of([run.resident_mb for run in runs]),
            "written_kb_per_cart": median_of([run.written_kb_per_cart for run in runs])}


def median_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}
