"""What size costs: catalogue, ledger and replicas."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from ..console import Trouble
from ..servers import Servers
from . import throughput
from .market import Market
from .rig import WORKERS, Rig
from .throughput import Shape

SKUS = (10_000, 100_000, 1_000_000)
LEDGER_ROWS = 10_000_000
REPLICAS = (2, 4)


def catalogue(rig: Rig, carts: int, reps: int) -> dict[str, list[throughput.Run]]:
    """By number of SKUs; in turn, although filling a million shelves takes a while."""
    runs: dict[str, list[throughput.Run]] = {f"{skus:,} SKUs": [] for skus in SKUS}
    for _ in range(reps):
        for skus in SKUS:
            runs[f"{skus:,} SKUs"].append(throughput.to_sellers(rig, carts, Shape(Market(skus=skus))))
    return runs


def ledger(preset: str, folder: Path, carts: int, reps: int) -> tuple[dict[str, list[throughput.Run]], list[str]]:
    """With an empty and with a long ledger, each on servers whose data stays in `folder` for the next time."""
    runs: dict[str, list[throughput.Run]] = {}
    violations: list[str] = []
    for rows in (0, LEDGER_ROWS):
        name = f"{rows:,} older ledger rows"
        servers = Servers(folder / f"ledger-{rows}")
        _need_room(folder, rows)
        servers.start(fresh=False)
        try:
            rig = Rig(servers, preset, rows)
            runs[name] = [throughput.to_sellers(rig, carts) for _ in range(reps)]
            violations += rig.violations
        finally:
            servers.stop()
    return runs, violations


def replicas(rig: Rig, carts: int, reps: int) -> dict[str, list[throughput.Run]]:
    """One, two and four of each worker, in turn."""
    runs: dict[str, list[throughput.Run]] = {f"{count} of each": [] for count in (1, *REPLICAS)}
    for _ in range(reps):
        for count in (1, *REPLICAS):
            shape = Shape(replicas={name: count for name in WORKERS})
            runs[f"{count} of each"].append(throughput.to_sellers(rig, carts, shape))
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
            hearing.result()
            times.append(1000 * (time.monotonic() - begun_at))
    return times


def _need_room(folder: Path, rows: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < 1_000 * rows:
        raise Trouble(f"a ledger of {rows:,} rows needs {rows // 1_000_000} GB in {folder}", "make room, or leave out `ledger`")
