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
from .rig import Rig
from .throughput import Run, Shape

SHAPES = {
    "one hot SKU in every cart": Shape(Market(hot=True)),
    "ten sold-out SKUs in the head": Shape(Market(sold_out=10)),
    "5 % of the carts come twice": Shape(repeats=0.05),
    "5 % of the orders are cancelled": Shape(cancelled=0.05),
    "30 % of the carts across four sellers": Shape(Market(four_sellers=0.3)),
}


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

    def highest_rate(self) -> float:
        """Carts/s to consuming sellers."""
        if "consumed" not in self.result:
            consumed(self)
        return self.result["consumed"]["carts_per_s"]

    def latency_p99_ms(self) -> float:
        if "latency_200" not in self.result:
            self.result["latency_200"] = _median_latency(self, 200)
        return self.result["latency_200"]["p99_ms"]


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    help: str
    work: Callable[[Session], None]
    quick: bool = False  # part of --quick


def rates(session: Session) -> None:
    """The fleet, the bare servers and the comparator in turn, so that a slow minute meets all of them."""
    plan, rounds = session.plan, []
    with step("warming up") as shown:
        shown.remark = f"{throughput.to_queues(session.rig, 10_000).carts_per_s:,.0f} carts/s"
    for number in range(1, plan.reps + 1):
        rounds.append(_round(session, number))
    session.result["rates"] = {
        "runs": rounds,
        "fleet": throughput.summary([one["fleet"] for one in rounds]),
        **{f"{name}_carts_per_s": statistics.median(one[name] for one in rounds) for name in ("broker", "sql", "ceiling")},
        "ratio_to_ceiling": statistics.median(one["fleet"].carts_per_s / one["ceiling"] for one in rounds),
    }
    for one in rounds:
        one["fleet"] = dataclasses.asdict(one["fleet"])
    if plan.peer:
        session.result["rates"] |= _beside(rounds)


def _round(session: Session, number: int) -> dict:
    rig, plan, one = session.rig, session.plan, {}
    with step(f"{plan.carts:,} carts, round {number} of {plan.reps}") as shown:
        one["fleet"] = throughput.to_queues(rig, plan.carts)
        shown.remark = f"{one['fleet'].carts_per_s:,.0f} carts/s"
    if plan.peer:
        with step("  the comparator") as shown:
            one["peer"] = plan.peer.throughput(plan.carts)
            shown.remark = f"{one['peer']['carts_per_s']:,.0f} carts/s"
    with step("  the broker alone") as shown:
        one["broker"] = ceilings.broker(rig, plan.carts // 2)
        shown.remark = f"{one['broker']:,.0f} carts/s"
    with step("  PostgreSQL alone") as shown:
        one["sql"] = ceilings.sql(rig, plan.carts // 2)
        shown.remark = f"{one['sql']:,.0f} carts/s"
    if plan.peer and not plan.quick:
        with step("  the comparator's statements alone") as shown:
            one["peer_sql"] = plan.peer.sql_ceiling()
            shown.remark = f"{one['peer_sql']:,.0f} carts/s"
    one["ceiling"] = 1 / (1 / one["broker"] + 1 / max(one["sql"], one.get("peer_sql", 0)))
    return one


def _beside(rounds: list[dict]) -> dict:
    def cpu(one: dict) -> float:
        return sum(one["cpu_ms_per_cart"].values())

    return {"peer_carts_per_s": statistics.median(one["peer"]["carts_per_s"] for one in rounds),
            "peer_cpu_ms_per_cart": throughput.median_of([one["peer"]["cpu_ms_per_cart"] for one in rounds]),
            "ratio_to_peer": statistics.median(one["fleet"]["carts_per_s"] / one["peer"]["carts_per_s"] for one in rounds),
            "cpu_ratio_to_peer": statistics.median(cpu(one["fleet"]) / cpu(one["peer"]) for one in rounds)}


def consumed(session: Session) -> None:
    """With the sellers' consumer running, as in life."""
    runs = []
    for _ in range(session.plan.reps):
        with step(f"{session.plan.carts:,} carts to consuming sellers") as shown:
            runs.append(throughput.to_sellers(session.rig, session.plan.carts))
            shown.remark = f"{runs[-1].carts_per_s:,.0f} carts/s"
    session.result["consumed"] = throughput.summary(runs)


def shapes(session: Session) -> None:
    """Each beside an ordinary run."""
    session.result["shapes"] = {}
    for name, shape in SHAPES.items():
        runs: list[tuple[Run, Run]] = []
        with step(name) as shown:
            for _ in range(session.plan.reps):
                ordinary = throughput.to_sellers(session.rig, session.plan.carts)
                runs.append((ordinary, throughput.to_sellers(session.rig, session.plan.carts, shape)))
            ratio = statistics.median(special.carts_per_s / ordinary.carts_per_s for ordinary, special in runs)
            shown.remark = f"{ratio:.2f} of the ordinary rate"
        session.result["shapes"][name] = {"ratio": ratio, **throughput.summary([special for _, special in runs])}


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
    return {"rate": rate, "runs": runs, **{name: statistics.median(run[name] for run in runs)
                                           for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")}}


def _compared(session: Session, name: str, runs: dict[str, list[Run]]) -> None:
    """Against the first, round by round."""
    first = next(iter(runs))
    session.result[name] = {
        key: {"ratio": statistics.median(one.carts_per_s / base.carts_per_s for one, base in zip(those, runs[first])),
              **throughput.summary(those)} for key, those in runs.items()}


def catalogue(session: Session) -> None:
    with step(f"catalogues of {', '.join(f'{skus:,}' for skus in scale.SKUS)} SKUs, in turn"):
        _compared(session, "catalogue", scale.catalogue(session.rig, session.plan.carts, session.plan.reps))


def ledger(session: Session) -> None:
    with step(f"a ledger of {scale.LEDGER_ROWS:,} rows, kept in {session.plan.kept}"):
        runs, bad = scale.ledger(session.plan.preset, session.plan.kept, session.plan.carts, session.plan.reps)
    session.rig.violations += bad
    _compared(session, "ledger", runs)


def replicas(session: Session) -> None:
    with step("one, two and four of each worker, in turn"):
        _compared(session, "replicas", scale.replicas(session.rig, session.plan.carts, session.plan.reps))


def cold_start(session: Session) -> None:
    with step("from nothing to the first order, five times") as shown:
        times = scale.cold_start(session.rig, 5)
        shown.remark = f"{statistics.median(times):.0f} ms"
    session.result["cold_start"] = {"median_ms": statistics.median(times), "runs": times}


def rules(session: Session) -> None:
    with step(f"{routing.RULES:,} routing rules and none, in turn"):
        _compared(session, "rules", routing.many_rules(session.rig, session.plan.carts, session.plan.reps))


def broken_endpoints(session: Session) -> None:
    with step(f"{routing.BROKEN} endpoints that are broken or healthy, in turn"):
        timed = routing.broken_endpoints(session.rig, 200, session.plan.seconds, session.plan.reps)
    pairs = list(zip(timed["broken"], timed["healthy"]))
    session.result["broken_endpoints"] = {
        **{f"{state}_{name}": statistics.median(run[name] for run in runs)
           for state, runs in timed.items() for name in ("p50_ms", "p99_ms")},
        "p99_ratio": statistics.median(broken["p99_ms"] / healthy["p99_ms"] for broken, healthy in pairs)}


def healthy_endpoints(session: Session) -> None:
    with step(f"{endpoints.WAITING:,} messages to {endpoints.HEALTHY} endpoints") as shown:
        many = endpoints.rate(session.rig, endpoints.HEALTHY)
        shown.remark = f"{many['per_s']:,.0f} messages/s"
    with step(f"{endpoints.WAITING:,} messages to one endpoint that returns") as shown:
        one = endpoints.rate(session.rig, 1)
        shown.remark = f"{one['per_s']:,.0f} messages/s"
    session.result["endpoints"] = {"many": many, "one": one}


def steady(session: Session) -> None:
    rate = 0.9 * session.highest_rate()
    with step(f"{rate:,.0f} carts/s for ten minutes"):
        session.result["steady"] = limits.steady(session.rig, rate, 600)


def overload(session: Session) -> None:
    usual, rate = session.latency_p99_ms(), 2 * session.highest_rate()
    with step(f"{rate:,.0f} carts/s for five minutes"):
        session.result["overload"] = limits.overload(session.rig, rate, 300, usual)


def backlog(session: Session) -> None:
    with step("a backlog of 1,000,000 carts") as shown:
        run = limits.backlog(session.rig, 1_000_000)
        shown.remark = f"{run.carts_per_s:,.0f} carts/s"
    session.result["backlog"] = {"ratio": run.carts_per_s / session.highest_rate(), **throughput.summary([run])}


PARTS = {part.name: part for part in (
    Part("rates", "carts/s and CPU a cart, what broker and PostgreSQL alone allow, and the comparator's, in turn", rates, True),
    Part("latency", "at 200 and 1,000 carts/s, publish to seller", latencies, True),
    Part("consumed", "carts/s with the sellers' consumer running", consumed),
    Part("shapes", "hot and sold-out SKUs, repeats, cancellations, four sellers, each beside an ordinary run", shapes),
    Part("replicas", "two and four of each worker", replicas),
    Part("cold", "cold start to the first order", cold_start),
    Part("catalogue", "10,000, 100,000 and 1,000,000 SKUs", catalogue),
    Part("ledger", "0 and 10 million older ledger rows, loaded once and kept", ledger),
    Part("rules", "1,000 routing rules", rules),
    Part("broken", "50 broken endpoints beside everybody else", broken_endpoints),
    Part("endpoints", "messages/s to HTTP endpoints", healthy_endpoints),
    Part("steady", "90 % of the highest rate for ten minutes", steady),
    Part("overload", "twice the highest rate for five minutes", overload),
    Part("backlog", "a million carts that wait", backlog),
)}
