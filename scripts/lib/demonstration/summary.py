"""What a run exercised and whether the promises held: as data, and as a page for a person."""

from __future__ import annotations

import collections
from typing import Iterable

from ..checker import PROMISES, Violation
from ..console import duration, paint
from ..evidence import Evidence
from .story import Line

_VIOLATIONS_SHOWN_MAX = 8
_COLUMN = 42


def summarise(evidence: Evidence, violations: list[Violation], exercised: collections.Counter,
              facts: dict, told: list[Line]) -> dict:
    """Everything countable about a run. `facts` holds what the rows do not say: durations, made-up things;
    `told` what happened to sellers beside the shared queues."""
    return {"held": not violations,
            "promises": {name: _promise(name, violations) for name in PROMISES},
            "run": facts,
            "counts": {"carts": _carts(evidence, exercised), "rejections": _rejections(evidence),
                       "held": _held(evidence), "sellers": _sellers(evidence),
                       "endpoints": _endpoints(evidence),
                       "cancellations": _cancellations(evidence, exercised),
                       "stock": _stock(evidence, exercised), "parked": _parked(evidence, exercised)},
            "told": told}


def render(summary: dict) -> Iterable[str]:
    """The lines of the page."""
    run, counts = summary["run"], summary["counts"]
    yield ""
    yield paint("bold", run["title"])
    yield from (paint("faint", note) for note in run["notes"])
    for title, key in (("Carts", "carts"), ("Rejected, and why (a cart may have several reasons)",
                                            "rejections"),
                       ("Held", "held"), ("To the sellers", "sellers"),
                       ("To endpoints and own queues", "endpoints"),
                       ("Cancellations", "cancellations"),
                       ("Stock", "stock"), ("Parked, and why", "parked")):
        if counts[key]:
            yield ""
            yield paint("bold", title)
            for name, value in counts[key].items():
                yield f"  {name.ljust(_COLUMN)} {_number(value):>12}"
            if key == "endpoints":
                yield from (f"  {what.ljust(24)}{_short(seller_id).ljust(13)}{text}"
                            for what, seller_id, text in summary["told"])
    yield ""
    yield paint("bold", "Promises")
    for name, promise in summary["promises"].items():
        yield from _render_promise(name, promise)
    yield ""
    yield (f"{run['publications']:,} messages in, {counts['sellers']['messages that arrived']:,} out to "
           "sellers, "
           f"{run['ledger_rows']:,} ledger rows; {run['carts_per_second']:,.0f} carts/s over "
           f"{duration(run['flow_s'])}, settled after {duration(run['settling_s'])} more, checked in "
           f"{duration(run['checking_s'])}")
    verdict = (paint("green", "Every promise held.") if summary["held"] else
               paint("red", "Broken: " + ", ".join(name for name, promise in summary["promises"].items()
                                                   if not promise["held"]) + "."))
    yield verdict


def _render_promise(name: str, promise: dict) -> Iterable[str]:
    mark = paint("green", "held  ") if promise["held"] else paint("red", "BROKEN")
    yield f"  {mark} {name}  {promise['name']}: {promise['checked']}"
    for violation in promise["violations"][:_VIOLATIONS_SHOWN_MAX]:
        yield f"           {violation}"
    if len(promise["violations"]) > _VIOLATIONS_SHOWN_MAX:
        yield f"           and {len(promise['violations']) - _VIOLATIONS_SHOWN_MAX:,} more"


_CHECKED = {
    "P1": "reserved within on hand at every version; nothing was sold that was never there",
    "P2": "every cart has one outcome, repeats the same answer, every movement acted once",
    "P3": "every position is the sum of its ledger rows, versions without a gap",
    "P4": "every line in one seller order, of the right seller, with all its units",
    "P5": "every stream arrived as 1, 2, 3, … wherever it went (from what the sellers wrote down alone)",
    "P7": "what failed is parked whole with its reason, counted; one was corrected and replayed",
}


def _promise(name: str, violations: list[Violation]) -> dict:
    found = [f"{one.what} [{one.where}]" for one in violations if one.promise == name]
    return {"name": PROMISES[name], "held": not found, "checked": _CHECKED[name], "violations": found}


def _carts(evidence: Evidence, exercised: collections.Counter) -> dict:
    carts = [sent for sent in evidence.publications if sent.kind == "cart" and not sent.must_park]
    published = {sent.key for sent in carts}
    states = collections.Counter(row.state for row in evidence.orders if row.order_id in published)
    sellers: dict[str, set[str]] = {}
    for row in evidence.reservations:
        sellers.setdefault(row.order_id, set()).add(row.seller_id)
    several = sum(len(of_order) > 1 for of_order in sellers.values())
    rejected = {"rejected": states["rejected"]}
    return _nonzero({
        "orders asked for": len(published), "sent again, in other bytes": exercised["carts repeated"],
        "order ids used for two carts": exercised["order ids used for two carts"],
        "ready": states["ready"], "reserved, not paid yet": states["reserved"],
        "still held": states["pending"], "cancelled": states["cancelled"],
        "reserved at several sellers": several,
        "races for a last unit, one winner each": exercised["races for a last unit"]}) | rejected


def _rejections(evidence: Evidence) -> dict:
    codes: collections.Counter = collections.Counter()
    for row in evidence.orders:
        if row.state == "rejected":
            codes.update({reason["code"] for reason in row.answer["reasons"]})
    return dict(codes.most_common())


def _held(evidence: Evidence) -> dict:
    states = {row.order_id: row.state for row in evidence.orders}
    was_held = {reply.key for reply in evidence.replies if reply.type == "cartwright.order.pending.v1"}
    now = collections.Counter(states.get(order_id, "") for order_id in was_held)
    return _nonzero({"carts held": len(was_held), "filled when stock came": now["ready"] + now["reserved"],
                     "cancelled": now["cancelled"], "given up (no longer sold)": now["rejected"],
                     "still waiting": now["pending"]})


def _sellers(evidence: Evidence) -> dict:
    first = {(one.seller_id, one.stream, one.number): one for one in evidence.arrivals}
    orders = [one for one in first.values() if one.kind == "order"]
    spilled = sum(len(line[3]) > 1 for one in orders for line in one.lines)
    spread = sum(len({warehouse for line in one.lines for warehouse, _ in line[3]}) > 1 for one in orders)
    return {"messages that arrived": len(first), "streams, each numbered from 1": len(evidence.streams),
            "exact repeats": len(evidence.arrivals) - len(first),
            "lines from 2 or more warehouses": spilled, "orders from 2 or more warehouses": spread}


def _endpoints(evidence: Evidence) -> dict:
    accepted = {one.message_id for one in evidence.calls if one.arrival is not None}
    own = {one.message_id for one in evidence.arrivals if one.queue.startswith("seller.")}
    return _nonzero({
        "messages that endpoints took": len(accepted), "calls": len(evidence.calls),
        "calls whose signature fits": sum(one.signed for one in evidence.calls),
        "calls that did not take the message": sum(one.arrival is None for one in evidence.calls),
        "messages in a queue of one seller's own": len(own),
        "streams that were switched": len({one[:2] for one in evidence.switches}),
        "messages that were voided": len(evidence.voided)})


def _cancellations(evidence: Evidence, exercised: collections.Counter) -> dict:
    arrived = collections.Counter(one.whole for one in evidence.arrivals if one.kind == "cancellation")
    before = sum(row.state == "cancelled" for row in evidence.orders) - len(
        {row.order_id for row in evidence.reservations} & {row.order_id for row in evidence.orders
                                                           if row.state == "cancelled"})
    return _nonzero({
        "sent before their cart": (exercised["cancellations sent before their cart"]
                                   + exercised["cancellations before their cart"]),
        "sent after their cart": exercised["cancellations sent after their cart"],
        "sent twice, under two ids": exercised["orders cancelled under two ids"],
        "repeated, same id": exercised["cancellations repeated"],
        "of some units": exercised["orders cancelled in part"],
        "orders cancelled before a unit was reserved": before, "sellers told, whole order": arrived[True],
        "sellers told, some units": arrived[False]})


def _stock(evidence: Evidence, exercised: collections.Counter) -> dict:
    kinds = collections.Counter(row.kind for row in evidence.ledger)
    rows = {f"ledger rows: {kind}": count for kind, count in kinds.most_common()}
    return _nonzero({"positions": len(evidence.positions), **rows,
                     "movement messages repeated": exercised["movements repeated"],
                     "dispatches before their order": exercised["dispatches before their order"],
                     "counts below what was promised": exercised["counts below what was promised"],
                     "deliveries that came late": exercised["deliveries that came late"],
                     "prices changed": exercised["prices changed"],
                     "sellers suspended for a while": exercised["sellers suspended for a while"]})


def _parked(evidence: Evidence, exercised: collections.Counter) -> dict:
    reasons = collections.Counter(parked.reason for parked in evidence.parked)
    return {**dict(reasons.most_common()), "corrected and replayed": exercised["corrected and replayed"]}


def _short(seller_id: str) -> str:
    return seller_id if len(seller_id) <= 11 else seller_id[:10] + "…"


def _nonzero(counts: dict) -> dict:
    return {name: count for name, count in counts.items() if count}


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
