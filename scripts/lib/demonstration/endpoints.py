"""A few sellers that are not served by the shared queues, and what happens to their endpoints meanwhile.

One has a queue of its own, the others HTTP endpoints: one is busy for a while, one slow, one dies and returns,
one says that it is gone and is resumed by command, one refuses a message for good, which is voided by command,
and one is moved from the shared queues to an endpoint by a rule that changes in the middle, after a rule file
that nobody can read.
"""

from __future__ import annotations

import base64
import collections
import json
import random
import time
from pathlib import Path

import pika

from .. import operator_command
from ..evidence import Evidence, add_calls
from ..fleet import Fleet, with_rules
from ..receiver import ReceiverProcess
from ..servers import Servers

_ROLES = ("own", "busy", "slow", "gone", "picky", "mortal", "moved")
_OWN_QUEUE_ARGUMENTS = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}

_REFUSED_WITHIN_S = 5


class Endpoints:
    """Rules, receivers and what happens to them. Everything it starts is stopped by `close`."""

    def __init__(self, servers: Servers, fleet: Fleet, folder: Path, candidates: list[str], seed: int, preset: str):
        self._servers, self._fleet, self._preset = servers, fleet, preset
        rng = random.Random(f"{seed}/endpoints")
        chosen = rng.sample(candidates, min(len(_ROLES), len(candidates)))
        nobody = [f"nobody-{role}" for role in _ROLES[len(chosen):]]  # in a small world some roles are not played
        self.sellers = dict(zip(_ROLES, chosen + nobody))
        self._secret_file = folder / "webhook-secret"
        secret = "whsec_" + base64.b64encode(rng.randbytes(32)).decode()
        self._secret_file.write_text(secret)
        errors = servers.run.log / "demo-receivers.log"
        self._steady = ReceiverProcess(folder / "endpoint-calls.jsonl", secret, errors)
        self._mortal = ReceiverProcess(folder / "mortal-calls.jsonl", secret, errors)
        self._rules = folder / "rules"
        self._rules.mkdir()
        self._write_rules(moved=False)
        self.config = folder / "cartwright.yaml"
        self.config.write_text(with_rules(self._rules))
        self.exercised: collections.Counter = collections.Counter()
        self._read = [0, 0]
        self._accepted: set[str] = set()

    def close(self) -> None:
        self._steady.stop()
        self._mortal.stop()

    @property
    def own_queue(self) -> str:
        return f"seller.{self.sellers['own']}"

    def declare_own_queue(self) -> None:
        """As the router would at the first message: its reader is there before."""
        connection = pika.BlockingConnection(pika.URLParameters(self._servers.urls["AMQP_URL"]))
        connection.channel().queue_declare(self.own_queue, durable=True, arguments=_OWN_QUEUE_ARGUMENTS)
        connection.close()

    def plan(self, flow) -> None:
        """What happens when which share of the carts is out."""
        steady, mortal = self._steady, self._mortal
        flow.at(0.10, lambda: self._behave("busy", "endpoints that were busy for a while", status=503, retry_after=1))
        flow.at(0.15, lambda: self._behave("slow", "endpoints that were slow for a while", stall_s=3))
        flow.at(0.20, lambda: self._count("endpoints that died and returned", mortal.kill))
        flow.at(0.25, lambda: self._behave("gone", "endpoints that said they were gone", status=410))
        flow.at(0.30, lambda: self._behave("picky", "endpoints that refused a message for good", status=422))
        flow.at(0.40, lambda: steady.behave("busy"))
        flow.at(0.45, self._break_rules)
        flow.at(0.50, self._change_rules)
        flow.at(0.55, lambda: steady.behave("slow"))
        flow.at(0.60, mortal.start)
        flow.at(0.70, self._mend)

    def finish(self) -> None:
        """Whatever still stands in the way of somebody's messages is mended."""
        if not self._mortal.running():
            self._mortal.start()
        for role in ("busy", "slow"):
            self._steady.behave(role)
        self._mend()

    def held(self) -> bool:
        """Resumes who waits for a person once more; True while somebody is still behind."""
        behind = self._listed("list", "--json")
        for stream in behind:
            if stream["until_resumed"]:
                self._command("stream", "resume", stream["seller"])
        return bool(behind)

    def arrived(self) -> int:
        """Different messages that the endpoints accepted so far."""
        for place, process in enumerate((self._steady, self._mortal)):
            calls = process.calls()
            self._accepted.update(one.message_id for one in calls[self._read[place]:] if one.arrival is not None)
            self._read[place] = len(calls)
        return len(self._accepted)

    def read(self, evidence: Evidence) -> None:
        """What the endpoints wrote down joins the evidence."""
        for process in (self._steady, self._mortal):
            add_calls(evidence, process.calls())
            self.exercised["calls"] += len(process.calls())
            self.exercised["calls that were not accepted"] += sum(one.arrival is None for one in process.calls())

    # What happens

    def _behave(self, role: str, what: str, **behaviour) -> None:
        self._steady.behave(role, **behaviour)
        self.exercised[what] += 1

    def _count(self, what: str, action) -> None:
        action()
        self.exercised[what] += 1

    def _break_rules(self) -> None:
        """A file that can't be read comes and goes; the fleet keeps the rules that it has."""
        broken = self._rules / "99-broken.yaml"
        broken.write_text("deliveries: [{name: nonsense, to: nowhere}]\nstreams: &anchor []\n")

    def _change_rules(self) -> None:
        """Once everybody has refused the broken ones."""
        deadline = time.monotonic() + _REFUSED_WITHIN_S
        workers = [*self._fleet.named("router"), *self._fleet.named("splitter")]
        while (refused := sum(worker.metrics().total("cartwright_rules_refused_total") > 0 for worker in workers)) \
                < len(workers) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.exercised["replicas that refused a broken rule file"] = refused
        (self._rules / "99-broken.yaml").unlink()
        self._write_rules(moved=True)
        self.exercised["rules changed in the middle"] += 1

    def _mend(self) -> None:
        """What a person does: who is gone is back and resumed, what is refused for good is voided."""
        self._steady.behave("gone")
        gone, picky = self.sellers["gone"], self.sellers["picky"]
        if self._held_for(gone) == "gone":
            self._command("stream", "resume", gone)
            self.exercised["streams resumed by command"] += 1
        for stream in self._listed("list", "--json", "--seller", picky):
            if stream["held_for"] == "refused":
                self._command("stream", "void", picky, stream["stream"], str(stream["delivered"] + 1), "--by",
                              "the demonstration", "--reason", "its endpoint will never take it")
                self.exercised["messages voided by command"] += 1
        self._steady.behave("picky")
        if self._held_for(picky) == "refused":
            self._command("stream", "resume", picky)

    def _held_for(self, seller_id: str) -> str:
        return next((stream["held_for"] for stream in self._listed("list", "--json", "--seller", seller_id)), "")

    def _listed(self, *arguments: str) -> list[dict]:
        return json.loads(self._command("stream", *arguments))

    def _command(self, *arguments: str) -> str:
        return operator_command.cartwright(self._servers, *arguments, preset=self._preset)

    def _write_rules(self, moved: bool) -> None:
        """As a whole: written beside and renamed."""
        destinations, deliveries = {}, [{"name": "own", "match": {"seller": self.sellers["own"]}, "to": "own"}]
        for role in _ROLES[1:]:
            if role == "moved" and not moved:
                continue
            process = self._mortal if role == "mortal" else self._steady
            destinations[role] = {"url": process.url(role), "secrets": [f"file:{self._secret_file}"],
                                  "private_addresses": True, "connect_timeout_ms": 1000, "total_timeout_ms": 2000}
            deliveries.append({"name": role, "match": {"seller": self.sellers[role]}, "to": role})
        fresh = self._rules / ".10-endpoints.yaml"
        fresh.write_text(json.dumps({"destinations": destinations, "deliveries": deliveries}, indent=1))  # JSON is YAML
        fresh.rename(self._rules / "10-endpoints.yaml")


def wait_until_delivered(endpoints: Endpoints, timeout_s: float) -> str:
    """Until nobody is behind; else what is wrong."""
    deadline = time.monotonic() + timeout_s
    while endpoints.held():
        if time.monotonic() > deadline:
            return "some streams are still behind: cartwright stream list"
        time.sleep(0.2)
    return ""
