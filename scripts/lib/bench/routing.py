"""What routing rules cost, and what broken endpoints do to everybody else."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from pathlib import Path
from typing import Iterator

from ..fleet import with_rules
from ..receiver import ReceiverProcess
from . import latency, throughput
from .market import Market, seller_id
from .rig import Rig
from .throughput import Run, Shape, in_turn

RULES = 1_000
BROKEN = 50
_BEHAVIOURS = ({"status": 500}, {"status": 410}, {"status": 422}, {"stall_s": 30}, {"cut": True})


def many_rules(rig: Rig, carts: int, reps: int) -> dict[str, list[Run]]:
    """Without rules and with a thousand, in turn. Every rule must be considered; a few match."""
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), {"streams": [_stream_rule(number) for number in range(RULES)]})
        shapes = {"no rules": Shape(), f"{RULES:,} rules": Shape(config=config)}
        runs: dict[str, list[Run]] = {name: [] for name in shapes}
        for name in in_turn(shapes, reps):
            runs[name].append(throughput.to_sellers(rig, carts, shapes[name]))
    return runs


def broken_endpoints(rig: Rig, rate: int, seconds: int, reps: int) -> dict[str, list[dict]]:
    """Latency of the sellers on shared queues while 50 others' endpoints are broken, and while they are not."""
    market = Market(elsewhere=BROKEN)
    sellers = [seller_id(number) for number in range(BROKEN)]
    timed: dict[str, list[dict]] = {"healthy": [], "broken": []}
    for state in in_turn(timed, reps):
        with endpoints_of(rig, sellers) as (receiver, config):
            for place, seller in enumerate(sellers if state == "broken" else []):
                receiver.behave(seller, **_BEHAVIOURS[place % len(_BEHAVIOURS)])
            timed[state].append(latency.at_rate(rig, rate, seconds, market, config))
    return timed


def _stream_rule(number: int) -> dict:
    """One in ten is of a seller, the others of what sellers have in common and an order never has."""
    if number % 10 == 0:
        return {"name": f"rule-{number}", "match": {"seller": seller_id(number)}, "stream": "apart"}
    match = {"category": f"category-{number}", "region": "SP"}
    return {"name": f"rule-{number}", "match": match, "stream": f"stream-{number}"}


@contextlib.contextmanager
def endpoints_of(rig: Rig, sellers: list[str]) -> Iterator[tuple[ReceiverProcess, Path]]:
    """A receiver, and a configuration whose rules send each of these sellers to a path of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        secret = "whsec_" + base64.b64encode(b"b" * 32).decode()
        (folder / "secret").write_text(secret)
        receiver = ReceiverProcess(folder / "arrivals.jsonl", secret, rig.servers.run.log / "bench-receiver.log")
        try:
            destinations = {seller: {"url": receiver.url(seller), "secrets": [f"file:{folder / 'secret'}"],
                                     "private_addresses": True} for seller in sellers}
            deliveries = [{"name": seller, "match": {"seller": seller}, "to": seller} for seller in sellers]
            yield receiver, _config(folder, {"destinations": destinations, "deliveries": deliveries})
        finally:
            receiver.stop()


def _config(folder: Path, rules: dict) -> Path:
    (folder / "rules").mkdir()
    (folder / "rules/rules.yaml").write_text(json.dumps(rules))
    config = folder / "cartwright.yaml"
    config.write_text(with_rules(folder / "rules"))
    return config
