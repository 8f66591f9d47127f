"""What size costs: catalogue, ledger and replicas."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from ..console import Trouble
from ..servers import Servers
from . import throughput
from .market import Market
from .rig import WORKERS, Rig
from .throughput import Run, Shape, in_turn

SKUS = (10_000, 100_000, 1_000_000)
LEDGER_ROWS = 10_000_000
REPLICAS = (2, 4)
_LONGER = 3  # a worker's caches begin empty, and a large catalogue takes so many more carts to fill them


def catalogue(rig: Rig, carts: int, reps: int) -> dict[str, list[Run]]:
    """By number of SKUs, always of a thousand sellers: with fewer SKUs a seller, carts would be of more sellers. In
    turn, although filling a million shelves takes a while."""
    runs: dict[str, list[Run]] = {f"{skus:,} SKUs": [] for skus in SKUS}
    markets = dict(zip(runs, (Market(skus=skus, sellers=1_000) for skus in SKUS)))
    for name in in_turn(runs, reps):
        runs[name].append(throughput.to_sellers(rig, _LONGER * carts, Shape(markets[name])))
    return runs


def ledger(preset: str, folder: Path, carts: int, reps: int) -> tuple[dict[str, list[Run]], list[str]]:
    """With an empty and with a long ledger, in turn, each on servers whose data stays in `folder` for the next time."""
    runs: dict[str, list[Run]] = {}
    with contextlib.ExitStack() as stack:
        rigs = {}
        for rows in (0, LEDGER_ROWS):
            servers = Servers(folder / f"ledger-{rows}")
            if rows and not servers.run.path.exists():
                _need_room(folder, rows)
            servers.start(fresh=False)
            stack.callback(servers.stop)
            rigs[f"{rows:,} older ledger rows"] = Rig(servers, preset, rows)
        for name, rig in rigs.items():
            stack.callback(rig.end_loads)
            throughput.to_sellers(rig, carts // 4)
            runs[name] = []
        for name in in_turn(rigs, reps):
            runs[name].append(throughput.to_sellers(rigs[name], carts))
    return runs, [violation for rig in rigs.values() for violation in rig.violations]


def replicas(rig: Rig, carts: int, reps: int) -> dict[str, list[Run]]:
    """One, two and four of each worker, in turn."""
    shapes = {f"{count} of each": Shape(replicas={name: count for name in WORKERS}) for count in (1, *REPLICAS)}
    runs: dict[str, list[Run]] = {name: [] for name in shapes}
    for name in in_turn(shapes, reps):
        runs[name].append(throughput.to_sellers(rig, carts, shapes[name]))
    return runs


def cold_start(rig: Rig, reps: int) -> list[float]:
    """Milliseconds from the launch of all workers to the first order at its seller, the cart waiting."""
    times = []
    for _ in range(reps):
        rig.restock(Market())
        sent = rig.load("send", *rig.carts(Market(), "--carts", "1"))
        hearing = rig.begin_load("hear", "--amqp", rig.amqp_url, "--expect", str(sent["messages"]))
        hearing.wait_listening()
        begun_at = time.monotonic()
        with rig.fleet(wait=False):
            times.append(1000 * (hearing.result()["first_at_s"] - begun_at))
    return times


def _need_room(folder: Path, rows: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < 1_000 * rows:
        raise Trouble(f"a ledger of {rows:,} rows needs {rows // 1_000_000} GB in {folder}",
                      "make room, or leave out `ledger`")
