"""Sellers' HTTP endpoints for the fleet's tests: rules in a folder, a receiver, and the market's arrivals with theirs.

    class MyTest(EndpointTest):
        def test_it(self):
            self.rules(s1="api")                 # seller s1 goes to an endpoint of the receiver, /hook/api
            self.fleet.start_all(WORKERS)
            self.receiver.behave("api", status=503)
"""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

from environment import wait_for
from lib import receiver
from lib.evidence import Call, add_calls
from lib.fleet import CONFIG
from lib.receiver import ReceiverProcess
from lib.testing.sanitizers import slowness
from market import MarketTest

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
CALL_TIMEOUT_S = 1.0 * slowness()


class EndpointTest(MarketTest):
    """A market without workers yet, whose fleet will go by the rules of a folder."""

    workers: dict[str, int] = {}
    router_settings: dict = {}

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "rules").mkdir()
        (self.folder / "secret").write_text(SECRET)
        self.receiver = ReceiverProcess(self.folder / "arrivals.jsonl", SECRET, self.folder / "errors.log")
        self.addCleanup(self.receiver.stop)
        config = self.folder / "cartwright.yaml"
        lines = ["rules: {directory: " + str(self.folder / "rules") + "}",
                 "router: " + json.dumps({"sweep_interval_ms": 500, **self.router_settings})]
        config.write_text("\n".join(lines))
        self.fleet.config = config
        self.addCleanup(setattr, self.fleet, "config", CONFIG)
        self._collect_queues = self.market.collect_arrivals
        self.market.collect_arrivals = self.collect_arrivals

    def destination(self, name: str, **more) -> dict:
        within_ms = int(1000 * CALL_TIMEOUT_S)
        return {"url": self.receiver.url(name), "secrets": [f"file:{self.folder / 'secret'}"], "private_addresses": True,
                "connect_timeout_ms": within_ms, "total_timeout_ms": within_ms, **more}

    def rules(self, *, more: dict | None = None, **destinations: str) -> None:
        """Sellers by id, and the destination each goes to; `more` are settings of destinations by name."""
        names = set(destinations.values()) - {"own", "shared"} | set(more or {})
        content = {"destinations": {name: self.destination(name, **(more or {}).get(name, {})) for name in sorted(names)},
                   "deliveries": [{"name": f"rule-{place}", "match": {"seller": seller}, "to": name}
                                  for place, (seller, name) in enumerate(sorted(destinations.items()))]}
        self.write_rules("10-rules.yaml", json.dumps(content))

    def write_rules(self, name: str, text: str) -> None:
        """As a whole: written beside and renamed."""
        fresh = self.folder / "rules" / f".{name}"
        fresh.write_text(text)
        fresh.rename(self.folder / "rules" / name)

    def collect_arrivals(self) -> list:
        """Those of queues, and those that the receiver wrote down since."""
        self._collect_queues()
        evidence = self.market.evidence
        add_calls(evidence, list(receiver.read_log(self.folder / "arrivals.jsonl"))[len(evidence.calls):])
        return evidence.arrivals

    def accepted(self, name: str) -> list[int]:
        """Numbers in the order in which the endpoint accepted them."""
        return [call.number for call in self.calls_of(name) if call.arrival is not None]

    def calls(self, name: str) -> int:
        return len(self.calls_of(name))

    def calls_of(self, name: str) -> list[Call]:
        """Everything the endpoint was asked, in order."""
        return [call for call in receiver.read_log(self.folder / "arrivals.jsonl") if call.endpoint == name]

    def stream(self, seller_id: str) -> dict | None:
        """What `cartwright stream list` says; None when everything is delivered."""
        listed = json.loads(self.environment.cartwright("stream", "list", "--json", "--seller", seller_id))
        return listed[0] if listed else None

    def wait_held(self, seller_id: str, held_for: str) -> None:
        wait_for(lambda: (self.stream(seller_id) or {}).get("held_for") == held_for,
                 what=f"the stream of {seller_id} to be held for {held_for}")

    def delivered(self, seller_id: str) -> tuple[int, int]:
        """How many of how many."""
        rows = self.environment.rows(
            "SELECT coalesce(last_delivered, 0), last_assigned FROM seller_stream LEFT JOIN seller_delivery "
            "USING (seller_id, stream) WHERE seller_id = %s", (seller_id,))
        return rows[0] if rows else (0, 0)

    def wait_delivered(self, seller_id: str, count: int) -> None:
        wait_for(lambda: self.delivered(seller_id) == (count, count), what=f"{count} messages to {seller_id}")
