"""A few sellers are served at HTTP endpoints, which die, stall, refuse and lose answers in a storm."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from lib.evidence import Evidence, add_calls
from lib.receiver import ReceiverProcess
from lib.run_directory import RunDirectory
from storm import Faults, Storm

_SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


class EndpointFaults(Faults):
    """One endpoint for each of the sellers, all of one process."""

    name = "endpoints"
    pause_s = (0.5, 3.0)

    def __init__(self, storm: Storm, run: RunDirectory, sellers: list[str]):
        super().__init__(storm)
        self._sellers = {f"endpoint-{number}": seller_id for number, seller_id in enumerate(sellers, 1)}
        self._secret = run.path / "storm-secret"
        self._secret.write_text(_SECRET)
        log = run.path / "storm-calls.jsonl"
        log.unlink(missing_ok=True)
        self._receiver = ReceiverProcess(log, _SECRET, run.log / "storm-receiver.log", mark=run.path)

    def close(self) -> None:
        self._receiver.stop()

    def write_rules(self, folder: Path) -> None:
        destinations = {name: {"url": self._receiver.url(name), "secrets": [f"file:{self._secret}"],
                               "private_addresses": True, "connect_timeout_ms": 1000, "total_timeout_ms": 2000}
                        for name in self._sellers}
        deliveries = [{"name": name, "match": {"seller": seller_id}, "to": name}
                      for name, seller_id in self._sellers.items()]
        (folder / "10-storm.yaml").write_text(json.dumps({"destinations": destinations, "deliveries": deliveries}))

    def read(self, evidence: Evidence) -> None:
        """What the endpoints wrote down joins the evidence."""
        evidence.calls = []
        add_calls(evidence, self._receiver.calls())
        evidence.owners = {f"endpoint:{name}": seller_id for name, seller_id in self._sellers.items()}
        evidence.ruled = {seller_id: frozenset({name}) for name, seller_id in self._sellers.items()}

    def fault_dead(self) -> None:
        self.log("kill -9")
        self._receiver.kill()
        self.hold(0.5, 8)
        self._receiver.start()
        self.log("started")

    def fault_stalls(self) -> None:
        self._behave(stall_s=self.chance.choice((0.5, 3)), times=self.chance.randint(1, 5))

    def fault_busy(self) -> None:
        self._behave(status=self.chance.choice((429, 500, 503)), times=self.chance.randint(1, 5))

    def fault_cut(self) -> None:
        self._behave(cut=True, times=self.chance.randint(1, 5))

    def fault_answers_lost(self) -> None:
        self._behave(lose=True, times=self.chance.randint(1, 5))

    def _behave(self, **behaviour) -> None:
        name = self.chance.choice(sorted(self._sellers))
        self.log(f"{name}: {behaviour}")
        self._receiver.behave(name, **behaviour)
        self.hold(1, 5)
        self._receiver.behave(name)
