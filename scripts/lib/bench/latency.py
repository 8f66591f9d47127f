"""How long a cart takes to its sellers at a steady rate."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..console import Trouble
from . import verify
from .market import Market
from .rig import Load, Rig

WARM_UP_S = 3


def at_rate(rig: Rig, rate: int, seconds: int, market: Market = Market(), config: Path | None = None) -> dict:
    """p50_ms, p99_ms and so on, from when a cart was due to when its seller's message was there; and the CPU."""
    rig.restock(market)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        with rig.fleet(config=config) as fleet:
            before = rig.usage(fleet)
            measured = result(begin(rig, market, record, "--rate", str(rate), "--seconds", str(seconds),
                                    "--warm-up", str(WARM_UP_S)))
            after = rig.usage(fleet)
        verify.run(rig, measured, record, market.elsewhere)
    return {"rate": rate, "cpu_ms_per_cart": after.cpu_ms_per_cart(before, measured["carts"]), **measured}


def begin(rig: Rig, market: Market, record: Path, *more: str) -> Load:
    return rig.begin_load("latency", *rig.carts(market, "--record", str(record), *more))


def result(load: Load) -> dict:
    measured = load.result()
    if missing := measured["messages"] - measured["heard"]:
        raise Trouble(f"{missing} messages did not arrive", "look into the workers' logs")
    return measured
