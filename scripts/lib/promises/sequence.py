"""P5, in sequence: each stream arrives as 1, 2, 3, …; a repeat is exact; a number goes to one destination.

Judged by what the sellers' consumer and the sellers' endpoints wrote down, and by nothing else; where a number
was to go is what the routers recorded. Endpoints wrote down what they refused too: in sequence means also that
a number is not tried before the one before it was taken.
"""

from __future__ import annotations

import collections
import hashlib

from ..evidence import Arrival, Call
from .facts import Facts, Findings, grouped

_ENDPOINT = "endpoint:"
_OWN = "seller."


def destination_of(arrival: Arrival) -> str:
    """The destination of the rules that this queue or endpoint is."""
    if arrival.queue.startswith(_ENDPOINT):
        return arrival.queue.removeprefix(_ENDPOINT)
    return "own" if arrival.queue.startswith(_OWN) else "shared"


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


def _as_ruled(facts: Facts) -> Findings:
    """Nobody's messages go where no rule ever sent them."""
    ruled = facts.evidence.ruled
    for one in facts.evidence.arrivals if ruled is not None else ():
        wanted = ruled.get(one.seller_id, ("shared",))
        if destination_of(one) not in wanted:
            yield f"it went to {destination_of(one)}, the rules say {' or '.join(sorted(wanted))}", _place(one)


def _right_place(facts: Facts) -> Findings:
    """A place that is one seller's gets nobody else's messages, whether it took them or not."""
    owners = facts.evidence.owners
    came = [(one.queue, one.seller_id, one.message_id) for one in facts.evidence.arrivals]
    came += [(_ENDPOINT + one.endpoint, one.seller_id, one.message_id) for one in facts.evidence.calls
             if one.arrival is None and one.seller_id]
    for place, seller_id, message_id in came:
        owner = owners.get(place, place.removeprefix(_OWN) if place.startswith(_OWN) else seller_id)
        if owner != seller_id:
            yield f"it came to {owner}", f"{message_id}, {place}"


def _across_places(facts: Facts) -> Findings:
    """What comes after a number that an endpoint took comes later, wherever it comes."""
    doubled = _allowed_to_double(facts)
    first: dict[tuple, Arrival] = {}
    for one in facts.evidence.arrivals:
        key = (one.seller_id, one.stream, one.number)
        if one.at_s and (key not in first or one.at_s < first[key].at_s):
            first[key] = one
    for (seller_id, stream, number), one in first.items():
        before = first.get((seller_id, stream, number - 1))
        if before is None or before.queue == one.queue or not before.queue.startswith(_ENDPOINT):
            continue  # a queue was read at some time; when its messages came to it nobody knows
        if one.at_s < before.at_s and not doubled & {(seller_id, stream, number), before[2:5]}:
            yield f"it arrived before number {number - 1} was taken by {before.queue}", _place(one)


def _signed(facts: Facts) -> Findings:
    for one in facts.evidence.calls:
        if not one.signed:
            yield "its signature does not fit", _place_of_call(one)


def _calls_repeat_exactly(facts: Facts) -> Findings:
    """Refused or cut or taken: a number is offered again with the same bytes, or with those it was voided by."""
    originals = {(*stream, number): hashlib.sha256(body.encode()).hexdigest()
                 for *stream, number, body in facts.evidence.voided}
    offered: dict[tuple, str] = {}
    for one in facts.evidence.calls:
        key = (one.endpoint, one.message_id)
        before = offered.setdefault(key, one.digest)
        if one.digest != before and before != originals.get((one.seller_id, one.stream, one.number)):
            yield "it was offered again with other bytes", _place_of_call(one)
        offered[key] = one.digest


def _calls_in_turn(facts: Facts) -> Findings:
    """At an endpoint a number is tried when the one tried before it was taken, there or by a switch elsewhere."""
    taken = {(*one[2:5], one.queue) for one in facts.evidence.arrivals}
    elsewhere = collections.Counter(one[:3] for one in taken)
    tried: dict[tuple, int] = {}
    here: set[tuple] = set()
    for one in facts.evidence.calls:
        stream = (one.endpoint, one.seller_id, one.stream)
        waiting = tried.get(stream, 0)
        number = (one.seller_id, one.stream, waiting)
        if 0 < waiting < one.number and elsewhere[number] == ((*number, _ENDPOINT + one.endpoint) in taken):
            yield f"it was tried before number {waiting} was taken", _place_of_call(one)
        if one.arrival is not None:
            here.add((*stream, one.number))
        if one.number >= waiting:
            tried[stream] = 0 if (*stream, one.number) in here else one.number


def _place_of_call(one: Call) -> str:
    return f"{one.message_id}, {_ENDPOINT}{one.endpoint}"


def _cancellation_after_order(facts: Facts) -> Findings:
    ordered = set()
    for one in sorted(facts.evidence.arrivals, key=lambda arrival: arrival[2:5]):
        key = (one.seller_id, one.stream, one.order_id)
        if one.kind in ("order", "voided"):
            ordered.add(key)
        elif key not in ordered:
            yield ("the seller hears of a cancellation before its order",
                   f"order {one.order_id}, {one.seller_id}/{one.stream}/{one.number}")


RULES = (_streams, _recorded_destinations, _as_ruled, _right_place, _across_places, _signed,
         _calls_repeat_exactly, _calls_in_turn, _cancellation_after_order)
