"""The table that scripts/bench prints: what was measured, what is aimed at, and whether it was reached."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..console import paint, say


class Row(NamedTuple):
    what: str
    value: str
    goal: str = ""
    reached: bool | None = None


def print_table(result: dict) -> None:
    rows = [row for part in (_rates, _latency, _consumed, _shapes, _sizes, _cold, _routing, _limits) for row in part(result)]
    say()
    say("  " + "what".ljust(48) + "measured".rjust(26) + "   goal")
    for row in rows:
        verdict = "" if row.reached is None else paint("green", "  reached") if row.reached else paint("red", "  missed")
        say(f"  {row.what.ljust(48)}{row.value.rjust(26)}   {row.goal}{verdict}")
    say()
    for violation in result["violations"]:
        say(paint("red", f"  VIOLATION  {violation}"))
    if not result["violations"]:
        say("  every run was verified: stock, ledger, reservations, streams, and each message byte for byte")


def _at_least(what: str, value: float, goal: float, digits: int = 2) -> Row:
    return Row(what, f"{value:.{digits}f}", f">= {goal}", value >= goal)


def _at_most(what: str, value: float, goal: float, unit: str, digits: int = 1) -> Row:
    return Row(what, f"{value:,.{digits}f} {unit}", f"<= {goal:g} {unit}", value <= goal)


def _rates(result: dict) -> Iterator[Row]:
    if not (rates := result.get("rates")):
        return
    fleet = rates["fleet"]
    cpu = fleet["cpu_ms_per_cart"]
    workers = sum(cpu[name] for name in ("reserver", "splitter", "router"))
    yield Row("carts/s", f"{fleet['carts_per_s']:,.0f}", f"runs: {', '.join(f'{one:,}' for one in fleet['runs'])}")
    yield Row("  the broker alone", f"{rates['broker_carts_per_s']:,.0f}")
    yield Row("  PostgreSQL alone", f"{rates['sql_carts_per_s']:,.0f}")
    yield _at_least("ratio to the ceiling of both", rates["ratio_to_ceiling"], 0.85)
    if "ratio_to_peer" in rates:
        yield Row("  the comparator", f"{rates['peer_carts_per_s']:,.0f}")
        yield _at_least("ratio to the comparator", rates["ratio_to_peer"], 1.25)
    for name, cost in cpu.items():
        yield Row(f"  CPU of {name}", f"{cost:.3f} ms a cart")
    yield _at_most("CPU of the workers", workers, 0.08, "ms a cart", 3)
    yield _at_most("CPU in all", sum(cpu.values()), 0.35, "ms a cart", 3)
    if "cpu_ratio_to_peer" in rates:
        ratio = rates["cpu_ratio_to_peer"]
        yield Row("  ratio to the comparator's", f"{ratio:.2f}", "<= 0.95", ratio <= 0.95)
    most = max(fleet["resident_mb"].items(), key=lambda item: item[1])
    yield _at_most(f"memory of a worker under load ({most[0]})", most[1], 64, "MB", 0)


def _latency(result: dict) -> Iterator[Row]:
    if one := result.get("latency_200"):
        yield _at_most("latency at 200 carts/s, p50", one["p50_ms"], 8, "ms")
        yield _at_most("  p99", one["p99_ms"], 25, "ms")
    if one := result.get("latency_1000"):
        yield Row("latency at 1,000 carts/s, p50", f"{one['p50_ms']:.1f} ms")
        yield _at_most("  p99", one["p99_ms"], 50, "ms")


def _consumed(result: dict) -> Iterator[Row]:
    if one := result.get("consumed"):
        yield Row("carts/s to consuming sellers", f"{one['carts_per_s']:,.0f}", f"runs: {', '.join(f'{run:,}' for run in one['runs'])}")


def _shapes(result: dict) -> Iterator[Row]:
    for name, one in result.get("shapes", {}).items():
        yield _at_least(f"{name}, of ordinary", one["ratio"], 0.9)


def _sizes(result: dict) -> Iterator[Row]:
    for part, goals in (("replicas", (None, 0.95, 0.85)), ("catalogue", (None, None, 0.85)), ("ledger", (None, 0.85)),
                        ("rules", (None, 0.95))):
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
        yield Row("others' p99, 50 endpoints healthy", f"{one['healthy_p99_ms']:.1f} ms")
        yield Row("  broken, of healthy", f"{one['p99_ratio']:.2f}", "<= 1.2", one["p99_ratio"] <= 1.2)
    if one := result.get("endpoints"):
        for name in ("many", "one"):
            yield Row(f"messages/s to {one[name]['endpoints']} endpoints", f"{one[name]['per_s']:,.0f}")


def _limits(result: dict) -> Iterator[Row]:
    if one := result.get("steady"):
        first, last = one["waiting_first_fifth"], one["waiting_last_fifth"]
        yield Row(f"waiting at {one['rate']:,.0f} carts/s, begin and end", f"{first:,} and {last:,}", "does not grow",
                  last <= max(2 * first, 2_000))
    if one := result.get("overload"):
        most = max(one["resident_mb_max"].values())
        yield _at_most(f"overload ({one['offered_per_s']:,.0f} carts/s): memory of a worker", most, 64, "MB", 0)
        yield Row("  refused to the sender and sent again", f"{one['nacked']:,}", "some", one["nacked"] > 0)
        yield Row("  latency as usual after", f"{one['back_after_s']:.0f} s", "<= 10 s", one["back_after_s"] <= 10)
    if one := result.get("backlog"):
        yield _at_least("a backlog of 1,000,000 carts, of the ordinary rate", one["ratio"], 0.9)
