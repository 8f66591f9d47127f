"""A few sellers that are not served by the shared queues, and what happens to their endpoints meanwhile.

One has a queue of its own, the others HTTP endpoints: one is busy for a while, one slow, one dies and returns,
one says that it is gone and is resumed by command, one refuses a message for good, which is voided by command,
and one is moved from the shared queues to an endpoint by a rule that changes in the middle, after a rule file
that nobody can read. What came of it is told by `story`, from what the endpoints wrote down.
"""

from __future__ import annotations

import base64
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
from .story import Happened, waits

ROLES = ("own", "busy", "slow", "mortal", "gone", "picky", "moved")
RETRY_AFTER_S = 1
STALL_S = 3
TOTAL_TIMEOUT_S = 2
_OWN_QUEUE_ARGUMENTS = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}
_BROKEN_RULES = "deliveries: [{name: nonsense, to: nowhere}]\nstreams: &anchor []\n"
_REFUSED_WITHIN_S = 5
_MISSED_WITHIN_S = 3  # a seller without orders would not be missed at all


class Endpoints:
    """Rules, receivers and what happens to them. Everything it starts is stopped by `close`."""

    def __init__(self, servers: Servers, fleet: Fleet, folder: Path, candidates: list[str], seed: int,
                 preset: str):
        self._servers, self._fleet, self._preset = servers, fleet, preset
        rng = random.Random(f"{seed}/endpoints")
        chosen = rng.sample(candidates, min(len(ROLES), len(candidates)))
        nobody = [f"nobody-{role}" for role in ROLES[len(chosen):]]  # in a small world some roles are not played
        self.sellers = dict(zip(ROLES, chosen + nobody))
        self._secret_file = folder / "webhook-secret"
        secret = "whsec_" + base64.b64encode(rng.randbytes(32)).decode()
        self._secret_file.write_text(secret)
        errors = servers.run.log / "demo-receivers.log"
        mark = servers.run.path
        self._steady = ReceiverProcess(folder / "endpoint-calls.jsonl", secret, errors, mark=mark)
        self._mortal = ReceiverProcess(folder / "mortal-calls.jsonl", secret, errors, mark=mark)
        self._rules = folder / "rules"
        self._rules.mkdir()
        self._write_rules(moved=False)
        self.config = folder / "cartwright.yaml"
        self.config.write_text(with_rules(self._rules))
        self.happened = Happened()
        self.troubles: list[str] = []
        self._read = [0, 0]
        self._accepted: set[str] = set()
        self._finished_at: float | None = None
        self._person_is_there = False

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
        behave, mortal = self._steady.behave, self._mortal
        flow.at(0.10, lambda: behave("busy", status=503, retry_after=RETRY_AFTER_S, times=3))
        flow.at(0.15, lambda: behave("slow", stall_s=STALL_S, times=2))
        flow.at(0.20, self._die)
        flow.at(0.25, lambda: behave("gone", status=410, times=1))
        flow.at(0.30, lambda: behave("picky", status=422, times=1))
        flow.at(0.45, lambda: (self._rules / "99-broken.yaml").write_text(_BROKEN_RULES))
        flow.at(0.50, self._change_rules)
        flow.at(0.60, lambda: mortal.running() or self._held_for("mortal") and self._return())
        flow.at(0.70, self._person_comes)

    def finish(self) -> None:
        """All carts are out; from now on `tend` is called again and again."""
        self._finished_at = time.monotonic()
        self._person_is_there = True

    def tend(self) -> None:
        """What a person does: starts who died, resumes who was gone, voids what is refused for good."""
        if not self._person_is_there:
            return
        happened = self.happened
        if self._finished_at and not self._mortal.running() and (
                self._held_for("mortal") or time.monotonic() - self._finished_at > _MISSED_WITHIN_S):
            self._return()
        if not happened.resumed and self._was_answered("gone", 410) and self._held_for("gone") == "gone":
            self._command("stream", "resume", self.sellers["gone"])
            happened.resumed = True
        if not happened.voided and self._was_answered("picky", 422):
            self._void()

    def arrived(self) -> int:
        """Different messages that the endpoints accepted so far."""
        for place, process in enumerate((self._steady, self._mortal)):
            calls = process.calls()
            self._accepted.update(one.message_id for one in calls[self._read[place]:] if one.arrival is not None)
            self._read[place] = len(calls)
        return len(self._accepted)

    def read(self, evidence: Evidence) -> None:
        """What the endpoints wrote down joins the evidence, and what the rules want."""
        for process in (self._steady, self._mortal):
            add_calls(evidence, process.calls())
        again = waits([one for one in self._steady.calls() if one.endpoint == "busy"])
        if again and min(again) < RETRY_AFTER_S:
            self.troubles.append(f"an endpoint that said Retry-After: {RETRY_AFTER_S} was called again "
                                 f"{min(again):.2f} s later")
        evidence.owners = {f"endpoint:{role}": self.sellers[role] for role in ROLES[1:]}
        evidence.ruled = {self.sellers[role]: frozenset({role}) for role in ROLES}
        evidence.ruled[self.sellers["moved"]] = frozenset({"shared", "moved"})

    # What happens

    def _die(self) -> None:
        self._mortal.kill()
        self.happened.died_at = time.monotonic()

    def _return(self) -> None:
        self._mortal.start()
        self.happened.returned_at = time.monotonic()

    def _person_comes(self) -> None:
        self._person_is_there = True
        self.tend()

    def _change_rules(self) -> None:
        """Once everybody has refused the broken ones."""
        deadline = time.monotonic() + _REFUSED_WITHIN_S
        workers = [*self._fleet.named("router"), *self._fleet.named("splitter")]
        while True:
            refused = sum(one.metrics().total("cartwright_rules_refused_total") > 0 for one in workers)
            if refused == len(workers) or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if refused < len(workers):
            self.troubles.append(f"a broken rule file was refused by {refused} of {len(workers)} replicas")
        self.happened.refused_by = refused
        (self._rules / "99-broken.yaml").unlink()
        self._write_rules(moved=True)

    def _void(self) -> None:
        seller_id = self.sellers["picky"]
        for stream in self._listed(seller_id):
            if stream["held_for"] == "refused":
                self._command("stream", "void", seller_id, stream["stream"], str(stream["delivered"] + 1),
                              "--by", "the demonstration", "--reason", "its endpoint will never take it")
                self.happened.voided = True

    def _was_answered(self, role: str, status: int) -> bool:
        return any(call.endpoint == role and call.status == status for call in self._steady.calls())

    def _held_for(self, role: str) -> str:
        return next((stream["held_for"] for stream in self._listed(self.sellers[role])), "")

    def _listed(self, seller_id: str) -> list[dict]:
        return json.loads(self._command("stream", "list", "--json", "--seller", seller_id))

    def _command(self, *arguments: str) -> str:
        return operator_command.cartwright(self._servers, *arguments, preset=self._preset)

    def _write_rules(self, moved: bool) -> None:
        """As a whole: written beside and renamed."""
        destinations, deliveries = {}, [{"name": "own", "match": {"seller": self.sellers["own"]}, "to": "own"}]
        for role in ROLES[1:]:
            if role == "moved" and not moved:
                continue
            process = self._mortal if role == "mortal" else self._steady
            destinations[role] = {"url": process.url(role), "secrets": [f"file:{self._secret_file}"],
                                  "private_addresses": True, "connect_timeout_ms": 1000,
                                  "total_timeout_ms": TOTAL_TIMEOUT_S * 1000}
            deliveries.append({"name": role, "match": {"seller": self.sellers[role]}, "to": role})
        fresh = self._rules / ".10-endpoints.yaml"
        content = {"destinations": destinations, "deliveries": deliveries}
        fresh.write_text(json.dumps(content, indent=1))  # JSON is YAML
        fresh.rename(self._rules / "10-endpoints.yaml")
