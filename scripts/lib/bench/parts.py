"""The parts of scripts/bench: what each measures, and how long it takes."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import Callable

from ..console import step
from . import ceilings, endpoints, latency, limits, routing, scale, throughput
from .market import Market
from .peer import Peer
from .rig import WORKERS, Rig
from .throughput import Run, Shape, in_turn

SHAPES = {
    "one hot SKU in every cart": Shape(Market(hot=True)),
    "ten sold-out SKUs in the head": Shape(Market(sold_out=10)),
    "5 % of the carts come twice": Shape(repeats=0.05),
    "5 % of the orders are cancelled": Shape(cancelled=0.05),
    "30 % of the carts across four sellers": Shape(Market(four_sellers=0.3)),
}
STEADY_S = 600
OVERLOAD_S = 300
BACKLOG_CARTS = 1_000_000
_SUSTAINED_S = 60


@dataclasses.dataclass
class Plan:
    """What scripts/bench was asked for."""

    preset: str
    carts: int
    reps: int
    seconds: int  # of a latency run
    quick: bool
    kept: Path    # where what is dear to load stays
    peer: Peer | None = None


@dataclasses.dataclass
class Session:
    """A rig, the plan, and what has been measured so far: plain values, as they are written to JSON."""

    rig: Rig
    plan: Plan
    result: dict = dataclasses.field(default_factory=dict)
    peer_sql: float = 0.0

    def warm_up(self) -> None:
        """So that the first run does not pay for what all find later: files of the logs, caches, compiled code."""
        with step("warming up") as shown:
            shown.remark = f"{throughput.to_queues(self.rig, min(10_000, self.plan.carts)).carts_per_s:,.0f} carts/s"

    def highest_rate(self) -> float:
        """Carts/s that come through to consuming sellers while a sender sends more."""
        if "highest" not in self.result:
            with step(f"more carts than come through, for {_SUSTAINED_S} s") as shown:
                waiting = throughput.to_sellers(self.rig, self.plan.carts).carts_per_s
                self.result["highest"] = {"carts_per_s": limits.sustained(self.rig, waiting, _SUSTAINED_S)}
                shown.remark = f"{self.result['highest']['carts_per_s']:,.0f} carts/s"
        return self.result["highest"]["carts_per_s"]

    def usual_p99_ms(self) -> float:
        if "latency_200" not in self.result:
            self.result["latency_200"] = _median_latency(self, 200)
        return self.result["latency_200"]["p99_ms"]


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    help: str
    work: Callable[[Session], None]
    quick: bool = False  # part of --quick


PARTS: dict[str, Part] = {}


def part(name: str, text: str, quick: bool = False):
    """Adds the function to the parts."""
    def add(work: Callable[[Session], None]) -> Callable[[Session], None]:
        PARTS[name] = Part(name, text, work, quick)
        return work
    return add


@part("rates", "carts/s and CPU a cart, what broker and PostgreSQL alone allow, and the comparator's", quick=True)
def rates(session: Session) -> None:
    """In turn, so that a slow minute meets all of them."""
    rounds = []
    for number in range(1, session.plan.reps + 1):
        rounds.append(_round(session, number))
        session.result["rates"] = summary(rounds)


def _round(session: Session, number: int) -> dict:
    rig, plan, one = session.rig, session.plan, {}

    def fleet() -> None:
        with step(f"{plan.carts:,} carts, round {number} of {plan.reps}") as shown:
            one["fleet"] = dataclasses.asdict(throughput.to_queues(rig, plan.carts))
            shown.remark = f"{one['fleet']['carts_per_s']:,.0f} carts/s"

    def comparator() -> None:
        with step("  the comparator") as shown:
            one["peer"] = plan.peer.throughput(plan.carts)
            shown.remark = f"{one['peer']['carts_per_s']:,.0f} carts/s"

    beside = [fleet, comparator] if plan.peer else [fleet]
    for measure in beside if number % 2 else reversed(beside):
        measure()
    with step("  the broker alone") as shown:
        one["broker"] = ceilings.broker(rig, plan.carts)
        shown.remark = f"{one['broker']:,.0f} carts/s"
    with step("  PostgreSQL alone") as shown:
        one["sql"] = ceilings.sql(rig, plan.carts // 2)
        shown.remark = f"{one['sql']:,.0f} carts/s"
    if plan.peer and not (plan.quick and session.peer_sql):
        with step("  the comparator's statements alone") as shown:
            session.peer_sql = plan.peer.sql_ceiling()
            shown.remark = f"{session.peer_sql:,.0f} carts/s"
    if plan.peer:
        one["peer_sql"] = session.peer_sql
    one["ceiling"] = 1 / (1 / one["broker"] + 1 / max(one["sql"], one.get("peer_sql", 0)))
    return one


def summary(rounds: list[dict]) -> dict:
    """Medians, and medians of what is compared round by round. The ceiling is lower than it should be where there was
    no comparator whose statements could be the faster ones."""
    def median(value: Callable[[dict], float]) -> float:
        return statistics.median(value(one) for one in rounds)

    def cpu(one: dict, names=None) -> float:
        costs = one["cpu_ms_per_cart"]
        return sum(costs[name] for name in names or costs)

    result = {
        "runs": rounds,
        "fleet": throughput.summary([Run(**one["fleet"]) for one in rounds]),
        "workers_cpu_ms": median(lambda one: cpu(one["fleet"], WORKERS)),
        "cpu_ms": median(lambda one: cpu(one["fleet"])),
        **{f"{name}_carts_per_s": median(lambda one: one[name]) for name in ("broker", "sql", "ceiling")},
        "ratio_to_ceiling": median(lambda one: one["fleet"]["carts_per_s"] / one["ceiling"])}
    if "peer" not in rounds[0]:
        return result
    return result | {
        "peer_sql_carts_per_s": median(lambda one: one["peer_sql"]),
        "peer_carts_per_s": median(lambda one: one["peer"]["carts_per_s"]),
        "peer_cpu_ms_per_cart": throughput.median_of([one["peer"]["cpu_ms_per_cart"] for one in rounds]),
        "ratio_to_peer": median(lambda one: one["fleet"]["carts_per_s"] / one["peer"]["carts_per_s"]),
        "cpu_ratio_to_peer": median(lambda one: cpu(one["fleet"]) / cpu(one["peer"])),
        "workers_cpu_ratio_to_peer": median(lambda one: cpu(one["fleet"], WORKERS) / cpu(one["peer"]))}


@part("latency", "at 200 and 1,000 carts/s, publish to seller", quick=True)
def latencies(session: Session) -> None:
    for rate in (200,) if session.plan.quick else (200, 1_000):
        session.result[f"latency_{rate}"] = _median_latency(session, rate)


def _median_latency(session: Session, rate: int) -> dict:
    """The median of five runs, each percentile by itself."""
    runs = []
    for number in range(1, (2 if session.plan.quick else 5) + 1):
        with step(f"{rate:,} carts/s for {session.plan.seconds} s, run {number}") as shown:
            runs.append(latency.at_rate(session.rig, rate, session.plan.seconds))
            shown.remark = f"p50 {runs[-1]['p50_ms']:.1f} ms, p99 {runs[-1]['p99_ms']:.1f} ms"
    return {"rate": rate, "runs": runs,
            "cpu_ms_per_cart": throughput.median_of([run["cpu_ms_per_cart"] for run in runs]),
            **{name: statistics.median(run[name] for run in runs)
               for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")}}


@part("shapes", "hot and sold-out SKUs, repeats, cancellations, four sellers, each beside an ordinary run")
def shapes(session: Session) -> None:
    session.result["shapes"] = {}
    for name, shape in SHAPES.items():
        runs: dict[str, list[Run]] = {"ordinary": [], name: []}
        with step(name) as shown:
            for which in in_turn(runs, session.plan.reps):
                special = shape if which == name else Shape()
                runs[which].append(throughput.to_sellers(session.rig, session.plan.carts, special))
            compared = _compared(runs)[name]
            shown.remark = f"{compared['ratio']:.2f} of the ordinary rate"
        session.result["shapes"][name] = compared


def _compared(runs: dict[str, list[Run]]) -> dict:
    """Against the first, round by round."""
    first = next(iter(runs.values()))
    return {name: {"ratio": statistics.median(one.carts_per_s / base.carts_per_s for one, base in zip(those, first)),
                   **throughput.summary(those)} for name, those in runs.items()}


@part("replicas", "one, two and four of each worker")
def replicas(session: Session) -> None:
    with step("one, two and four of each worker, in turn"):
        session.result["replicas"] = _compared(scale.replicas(session.rig, session.plan.carts, session.plan.reps))


@part("cold", "cold start to the first order")
def cold_start(session: Session) -> None:
    with step("from nothing to the first order, five times") as shown:
        times = scale.cold_start(session.rig, 5)
        shown.remark = f"{statistics.median(times):.0f} ms"
    session.result["cold_start"] = {"median_ms": statistics.median(times), "runs": times}


@part("catalogue", f"{', '.join(f'{skus:,}' for skus in scale.SKUS)} SKUs")
def catalogue(session: Session) -> None:
    with step(f"catalogues of {', '.join(f'{skus:,}' for skus in scale.SKUS)} SKUs, in turn"):
        session.result["catalogue"] = _compared(scale.catalogue(session.rig, session.plan.carts, session.plan.reps))


@part("ledger", f"0 and {scale.LEDGER_ROWS:,} older ledger rows, loaded once and kept")
def ledger(session: Session) -> None:
    plan = session.plan
    with step(f"0 and {scale.LEDGER_ROWS:,} older ledger rows, kept in {plan.kept}"):
        runs, bad = scale.ledger(plan.preset, plan.kept, plan.carts, plan.reps)
    session.rig.violations += bad
    session.result["ledger"] = _compared(runs)


@part("rules", f"{routing.RULES:,} routing rules and none")
def rules(session: Session) -> None:
    with step(f"{routing.RULES:,} routing rules and none, in turn"):
        session.result["rules"] = _compared(routing.many_rules(session.rig, session.plan.carts, session.plan.reps))


@part("broken", f"{routing.BROKEN} broken endpoints beside everybody else")
def broken_endpoints(session: Session) -> None:
    with step(f"{routing.BROKEN} endpoints that are broken or healthy, in turn"):
        timed = routing.broken_endpoints(session.rig, 200, session.plan.seconds, session.plan.reps)
    session.result["broken_endpoints"] = {
        **{f"{state}_{name}": statistics.median(run[name] for run in runs)
           for state, runs in timed.items() for name in ("p50_ms", "p99_ms")},
        "p99_ratio": statistics.median(broken["p99_ms"] / healthy["p99_ms"]
                                       for broken, healthy in zip(timed["broken"], timed["healthy"]))}


@part("endpoints", "messages/s to HTTP endpoints, which are one Python process")
def healthy_endpoints(session: Session) -> None:
    with step(f"{endpoints.WAITING:,} messages to {endpoints.HEALTHY} endpoints") as shown:
        many = endpoints.rate(session.rig, endpoints.HEALTHY)
        shown.remark = f"{many['per_s']:,.0f} messages/s"
    with step(f"{endpoints.WAITING:,} messages to one endpoint that returns") as shown:
        one = endpoints.rate(session.rig, 1)
        shown.remark = f"{one['per_s']:,.0f} messages/s"
    session.result["endpoints"] = {"many": many, "one": one}


@part("steady", f"90 % of the highest rate for {STEADY_S // 60} minutes")
def steady(session: Session) -> None:
    rate = 0.9 * session.highest_rate()
    with step(f"{rate:,.0f} carts/s for {STEADY_S // 60} minutes"):
        session.result["steady"] = limits.steady(session.rig, rate, STEADY_S)


@part("overload", f"twice the highest rate for {OVERLOAD_S // 60} minutes")
def overload(session: Session) -> None:
    usual, rate = session.usual_p99_ms(), 2 * session.highest_rate()
    with step(f"{rate:,.0f} carts/s for {OVERLOAD_S // 60} minutes"):
        session.result["overload"] = limits.overload(session.rig, rate, OVERLOAD_S, usual)


@part("backlog", f"{BACKLOG_CARTS:,} carts that wait")
def backlog(session: Session) -> None:
    with step(f"a backlog of {BACKLOG_CARTS:,} carts") as shown:
        run, ordinary = limits.backlog(session.rig, BACKLOG_CARTS, session.plan.carts)
        shown.remark = f"{run.carts_per_s:,.0f} carts/s"
    session.result["backlog"] = {"carts": run.carts, **throughput.summary([run]),
                                 "ratio": run.carts_per_s / statistics.mean(one.carts_per_s for one in ordinary)}
