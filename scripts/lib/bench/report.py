"""The table that scripts/bench prints: what was measured, what is aimed at, and whether it was reached."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..console import paint, say


class Row(NamedTuple):
    what: str
    value: str
    goal: str = ""
    reached: bool | None = None


def rows(result: dict) -> list[Row]:
    """Of what was measured."""
    return [row for part in (_rates, _latency, _shapes, _sizes, _cold, _routing, _limits) for row in part(result)]


def print_table(result: dict) -> None:
    shown = rows(result)
    width = max([48, *(len(row.what) for row in shown)])
    say()
    say("  " + "what".ljust(width) + "measured".rjust(26) + "   goal")
    for row in shown:
        verdict = {None: "", True: paint("green", "  reached"), False: paint("red", "  missed")}[row.reached]
        say(f"  {row.what.ljust(width)}{row.value.rjust(26)}   {row.goal}{verdict}")
    say()
    for violation in result["violations"]:
        say(paint("red", f"  VIOLATION  {violation}"))
    if not result["violations"]:
        say("  every run was verified: stock, ledger, reservations, streams, and each message on a queue byte for byte")


def _at_least(what: str, value: float, goal: float, digits: int = 2) -> Row:
    return Row(what, f"{value:.{digits}f}", f">= {goal}", value >= goal)


def _at_most(what: str, value: float, goal: float, unit: str, digits: int = 1) -> Row:
    return Row(what, f"{value:,.{digits}f} {unit}", f"<= {goal:g} {unit}", value <= goal)


def _share(what: str, ratio: float, goal: float) -> Row:
    return Row(what, f"{ratio:.2f}", f"<= {goal:g}", ratio <= goal)


def _cost(latency: dict) -> Row:
    return Row("  CPU in all", f"{sum(latency['cpu_ms_per_cart'].values()):.3f} ms a cart")


def _rates(result: dict) -> Iterator[Row]:
    if not (rates := result.get("rates")):
        return
    fleet, beside = rates["fleet"], "ratio_to_peer" in rates
    yield Row("carts/s", f"{fleet['carts_per_s']:,.0f}", f"runs: {', '.join(f'{one:,}' for one in fleet['runs'])}")
    yield Row("  the broker alone", f"{rates['broker_carts_per_s']:,.0f}")
    yield Row("  PostgreSQL alone", f"{rates['sql_carts_per_s']:,.0f}")
    if beside:
        yield Row("  the comparator's statements alone", f"{rates['peer_sql_carts_per_s']:,.0f}")
        yield _at_least("ratio to the ceiling of both", rates["ratio_to_ceiling"], 0.85)
        yield Row("  the comparator", f"{rates['peer_carts_per_s']:,.0f}")
        yield _at_least("ratio to the comparator", rates["ratio_to_peer"], 1.25)
    else:
        yield Row("ratio to the ceiling of both", f"{rates['ratio_to_ceiling']:.2f}", "judged beside a comparator only")
    for name, cost in fleet["cpu_ms_per_cart"].items():
        yield Row(f"  CPU of {name}", f"{cost:.3f} ms a cart")
    yield _at_most("CPU of the workers", rates["workers_cpu_ms"], 0.08, "ms a cart", 3)
    yield _at_most("CPU in all", rates["cpu_ms"], 0.35, "ms a cart", 3)
    if beside:
        for name, cost in rates["peer_cpu_ms_per_cart"].items():
            yield Row(f"  the comparator's: {name}", f"{cost:.3f} ms a cart")
        yield _share("CPU in all, of the comparator's", rates["cpu_ratio_to_peer"], 0.95)
        yield _share("CPU of the workers, of all of the comparator's", rates["workers_cpu_ratio_to_peer"], 0.95)
    for name, written in fleet["written_kb_per_cart"].items():
        yield Row(f"  {name} writes to disk", f"{written:.1f} kB a cart")
    most = max(fleet["resident_mb"].items(), key=lambda item: item[1])
    yield _at_most(f"most memory of a worker ({most[0]})", most[1], 64, "MB", 0)


def _latency(result: dict) -> Iterator[Row]:
    if one := result.get("latency_200"):
        yield _at_most("latency at 200 carts/s, p50", one["p50_ms"], 8, "ms")
        yield _at_most("  p99", one["p99_ms"], 25, "ms")
        yield _cost(one)
    if one := result.get("latency_1000"):
        yield Row("latency at 1,000 carts/s, p50", f"{one['p50_ms']:.1f} ms")
        yield _at_most("  p99", one["p99_ms"], 50, "ms")
        yield _cost(one)


def _shapes(result: dict) -> Iterator[Row]:
    for name, one in result.get("shapes", {}).items():
        yield _at_least(f"{name}, of ordinary", one["ratio"], 0.9)


def _sizes(result: dict) -> Iterator[Row]:
    for part, goals in (("replicas", (None, 0.95, 0.85)), ("catalogue", (None, 0.85, 0.85)),
                        ("ledger", (None, 0.85)), ("rules", (None, 0.95))):
        for (name, one), goal in zip(result.get(part, {}).items(), goals):
            if goal is None:
                yield Row(name, f"{one['carts_per_s']:,.0f} carts/s")
            else:
                yield _at_least(f"{name}, of the first", one["ratio"], goal)


def _cold(result: dict) -> Iterator[Row]:
    if one := result.get("cold_start"):
        yield _at_most("cold start to the first order", one["median_ms"], 500, "ms", 0)


def _routing(result: dict) -> Iterator[Row]:
    if one := result.get("broken_endpoints"):
        yield Row("others' p99, the endpoints healthy", f"{one['healthy_p99_ms']:.1f} ms")
        yield _share("  broken, of healthy", one["p99_ratio"], 1.2)
    if one := result.get("endpoints"):
        for name in ("many", "one"):
            yield Row(f"messages/s to {one[name]['endpoints']} endpoints", f"{one[name]['per_s']:,.0f}")


def _limits(result: dict) -> Iterator[Row]:
    if one := result.get("highest"):
        yield Row("carts/s that come through while more come in", f"{one['carts_per_s']:,.0f}")
    if one := result.get("steady"):
        early, late = sum(one["waiting_early"].values()), sum(one["waiting_late"].values())
        kept_up = one["offered_per_s"] >= 0.98 * one["rate"]
        yield Row(f"waiting at {one['rate']:,.0f} carts/s, early and late", f"{early:,.0f} and {late:,.0f}",
                  f"no queue grows{': ' + ', '.join(one['grew']) if one['grew'] else ''}", kept_up and not one["grew"])
        before, after = one["resident_mb_early"], one["resident_mb_late"]
        most = max(before, key=lambda name: after[name] / before[name])
        yield Row(f"  memory of the {most}, early and late", f"{before[most]:.0f} and {after[most]:.0f} MB", "flat",
                  after[most] <= 1.1 * before[most])
    if one := result.get("overload"):
        yield _at_most(f"overload ({one['offered_per_s']:,.0f} carts/s): memory of a worker",
                       max(one["resident_mb_max"].values()), 64, "MB", 0)
        yield Row("  refused to the sender and sent again", f"{one['nacked']:,}", "some", one["nacked"] > 0)
        yield Row(f"  carts in a queue that is limited to {one['queue_max']:,}", f"{one['deepest']:,}", "bounded",
                  one["deepest"] <= 1.1 * one["queue_max"])
        yield _at_most(f"  p99 at most {one['usual_ms']:.0f} ms again after", one["back_after_s"], 10, "s", 0)
    if one := result.get("backlog"):
        yield _at_least(f"a backlog of {one['carts']:,} carts, of the ordinary rate", one["ratio"], 0.9)
