"""What happened to the sellers that are not served by the shared queues, a line each, from the evidence."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from ..evidence import Arrival, Call, Evidence


@dataclasses.dataclass
class Happened:
    """What was done, as far as no evidence says it. Times are of one monotonic clock."""

    died_at: float | None = None
    returned_at: float | None = None
    resumed: bool = False
    voided: bool = False
    refused_by: int = 0  # replicas that refused the broken rules


class Line(NamedTuple):
    what: str
    seller_id: str
    text: str


def story(sellers: dict[str, str], evidence: Evidence, happened: Happened) -> list[Line]:
    """To be read one after the other; nothing of sellers that had no order."""
    told = []
    for role, (what, tell) in _TELL.items():
        of_seller = _Role(role, sellers[role], evidence)
        if of_seller.arrivals:
            told.append(Line(what, sellers[role], tell(of_seller, happened)))
    if happened.refused_by:
        told.append(Line("rules changed", "", f"a broken file before that was refused by {happened.refused_by} "
                                              "replicas, which kept the rules they had"))
    return told


class _Role:
    """A seller of the story, and what the evidence has about it."""

    def __init__(self, role: str, seller_id: str, evidence: Evidence):
        self.calls = [one for one in evidence.calls if one.endpoint == role]
        first: dict[tuple, Arrival] = {}
        for one in evidence.arrivals:
            if one.seller_id == seller_id:
                first.setdefault(one[3:5], one)
        self.arrivals = list(first.values())
        self.switches = [one for one in evidence.switches if one.seller_id == seller_id]
        self.voided = [row for row in evidence.voided if row[0] == seller_id]

    def answered(self, status: int) -> list[Call]:
        return [one for one in self.calls if one.status == status]

    @property
    def took(self) -> str:
        return f"took {_messages(len(self.arrivals))}"


def _own(role: _Role, _: Happened) -> str:
    return f"{_messages(len(role.arrivals))} in {' and '.join(sorted({one.queue for one in role.arrivals}))}"


def _busy(role: _Role, _: Happened) -> str:
    waited = waits(role.calls)
    if not waited:
        return role.took
    return f"503 {_times(len(waited))}, called again after {min(waited):.1f} s or more; {role.took}"


def _slow(role: _Role, _: Happened) -> str:
    repeated = len(role.calls) - len(role.arrivals)
    return (f"answered too late {_times(repeated)}, got the same bytes again; " if repeated else "") + role.took


def _mortal(role: _Role, happened: Happened) -> str:
    if happened.died_at is None or happened.returned_at is None:
        return role.took
    before = sum(one.at_s < happened.died_at for one in role.arrivals)
    return (f"nobody listened for {happened.returned_at - happened.died_at:.1f} s; "
            f"took {_messages(before)} before, {len(role.arrivals) - before:,} after")


def _gone(role: _Role, happened: Happened) -> str:
    gone = role.answered(410)
    if not gone:
        return role.took
    return (f"410 at number {gone[0].number:,}, not called until it was resumed by command; {role.took}"
            if happened.resumed else f"410 at number {gone[0].number:,}; {role.took}")


def _picky(role: _Role, _: Happened) -> str:
    refused = role.answered(422)
    if not refused:
        return role.took
    voided = f", number {role.voided[0][2]:,} was voided by command" if role.voided else ""
    return f"422 at number {refused[0].number:,}{voided}; {role.took}"


def _moved(role: _Role, _: Happened) -> str:
    if not role.switches:
        return f"{_messages(len(role.arrivals))} through the shared queues, none since the rules changed"
    begin = role.switches[0].from_number
    before = sum(one.number < begin for one in role.arrivals)
    return (f"{_messages(before)} through the shared queues, from number {begin:,} on "
            f"{len(role.arrivals) - before:,} to its endpoint")


_TELL = {"own": ("a queue of its own", _own), "busy": ("busy for a while", _busy),
         "slow": ("slow for a while", _slow), "mortal": ("dead and back", _mortal),
         "gone": ("gone for a while", _gone),
         "picky": ("refused for good", _picky), "moved": ("moved by changed rules", _moved)}


def waits(calls: list[Call]) -> list[float]:
    """Seconds between each answer 503 and the next call, of the calls of one endpoint."""
    return [after.at_s - before.at_s for before, after in zip(calls, calls[1:]) if before.status == 503]


def _messages(count: int) -> str:
    return f"{count:,} message" + ("s" if count != 1 else "")


def _times(count: int) -> str:
    return {1: "once", 2: "twice", 3: "three times"}.get(count, f"{count} times")

