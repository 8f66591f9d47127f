"""P5, in sequence: each stream arrives as 1, 2, 3, …; a repeat is exact; a number goes to one destination.

Judged by what the sellers' consumer and the sellers' endpoints wrote down, and by nothing else; where a number
was to go is what the routers recorded.
"""

from __future__ import annotations

import collections

from ..evidence import Arrival
from .facts import Facts, Findings, grouped


def destination_of(arrival: Arrival) -> str:
    """The destination of the rules that this queue or endpoint is."""
    if arrival.queue.startswith("endpoint:"):
        return arrival.queue.removeprefix("endpoint:")
    return "own" if arrival.queue.startswith("seller.") else "shared"


def _place(one: Arrival) -> str:
    return f"{one.seller_id}/{one.stream}/{one.number}, {one.queue}"


def _streams(facts: Facts) -> Findings:
    """Within a place numbers ascend; over all places none is missing and none is twice, but for repeats."""
    newest: dict[tuple, int] = {}
    seen: dict[tuple, dict[int, Arrival]] = collections.defaultdict(dict)
    doubled = _allowed_to_double(facts)
    for one in facts.evidence.arrivals:
        stream = (one.seller_id, one.stream)
        here = (*stream, one.queue)
        if one.message_id != f"{one.seller_id}/{one.stream}/{one.number}":
            yield f"its id is {one.message_id}", _place(one)
        before = seen[stream].get(one.number)
        if before is not None and before.queue == one.queue:
            if before.digest != one.digest:
                yield "it was repeated with other bytes", _place(one)
            continue
        if before is not None and (*stream, one.number) not in doubled:
            yield f"it arrived at {before.queue} too", _place(one)
        if one.number <= newest.get(here, 0):
            yield f"it arrived for the first time after number {newest[here]}", _place(one)
        newest[here] = max(newest.get(here, 0), one.number)
        seen[stream].setdefault(one.number, one)
    for (seller_id, stream), arrivals in seen.items():
        missing = sorted(set(range(1, max(arrivals) + 1)) - arrivals.keys())
        if missing:
            yield f"numbers never arrived: {missing[:10]}, and later ones did", f"{seller_id}/{stream}"
        shared = {one.queue for one in arrivals.values() if destination_of(one) == "shared"}
        if len(shared) > 1:
            yield (f"one stream came through {len(shared)} queues: {', '.join(sorted(shared))}",
                   f"{seller_id}/{stream}")


def _allowed_to_double(facts: Facts) -> set[tuple]:
    return {(one.seller_id, one.stream, number) for one in facts.evidence.switches if one.may_double
            for number in range(one.may_double[0], one.may_double[1] + 1)}


def _recorded_destinations(facts: Facts) -> Findings:
    """Each number went where the newest decision about it says."""
    switches = grouped(facts.evidence.switches, lambda one: (one.seller_id, one.stream))
    doubled = _allowed_to_double(facts)
    for one in facts.evidence.arrivals:
        stream = (one.seller_id, one.stream)
        decided = switches.get(stream, ())
        wanted = decided[0].previous if decided else facts.evidence.destinations.get(stream)
        for switch in decided:
            if switch.from_number <= one.number:
                wanted = switch.destination
        if wanted is not None and destination_of(one) != wanted and (*stream, one.number) not in doubled:
            yield f"it went to {destination_of(one)}, recorded is {wanted}", _place(one)


def _signed(facts: Facts) -> Findings:
    for one in facts.evidence.unsigned:
        yield "its signature does not fit", one


def _cancellation_after_order(facts: Facts) -> Findings:
    ordered = set()
    for one in sorted(facts.evidence.arrivals, key=lambda arrival: arrival[2:5]):
        key = (one.seller_id, one.stream, one.order_id)
        if one.kind in ("order", "voided"):
            ordered.add(key)
        elif key not in ordered:
            yield ("the seller hears of a cancellation before its order",
                   f"order {one.order_id}, {one.seller_id}/{one.stream}/{one.number}")


RULES = (_streams, _recorded_destinations, _signed, _cancellation_after_order)
