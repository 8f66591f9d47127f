"""How long a cart takes to its sellers at a steady rate."""

from __future__ import annotations

from pathlib import Path

from ..console import Trouble
from .market import Market
from .rig import Rig

WARM_UP_S = 3


def at_rate(rig: Rig, rate: int, seconds: int, market: Market = Market(), config: Path | None = None) -> dict:
    """p50_ms, p99_ms and so on, from when a cart was due to when its seller's message was there."""
    rig.restock(market)
    with rig.fleet(config=config):
        return timed(rig, rate, seconds, market)


def timed(rig: Rig, rate: int, seconds: int, market: Market = Market()) -> dict:
    """The same on a fleet that runs."""
    measured = rig.load("latency", *rig.carts(market, "--rate", str(rate), "--seconds", str(seconds), "--warm-up",
                                              str(WARM_UP_S)))
    if measured["missing"]:
        raise Trouble(f"{measured['missing']} messages did not arrive", f"look into the logs under {rig.servers.run.log}")
    return {"rate": rate, **measured}
