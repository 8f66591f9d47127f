"""P7, nothing disappears: what fails for good is parked whole and with its reason, and is counted."""

from __future__ import annotations

import collections

from .facts import Facts, Findings, grouped


def _parked_whole(facts: Facts) -> Findings:
    by_body = grouped(facts.evidence.parked, lambda parked: parked.body)
    for sent in facts.evidence.publications:
        where = f"{sent.kind} {sent.key or sent.message_id or sent.correlation_id}"
        copies = by_body.get(sent.body, [])
        if sent.must_park and not sent.replayed and not copies:
            yield f"it is not in parking, expected for {' or '.join(sorted(sent.must_park))}", where
        if sent.replayed and copies:
            yield "it was replayed and is still in parking", where
        for parked in copies:
            if parked.correlation_id != sent.correlation_id:
                continue
            for name in ("message_id", "type", "content_type", "reply_to"):
                if getattr(sent, name) is not None and getattr(parked, name) != getattr(sent, name):
                    yield f"its {name} became {getattr(parked, name)!r}", where
            missing = [name for name in ("reason", "detail", "worker", "queue", "at", "attempts")
                       if f"x-parked-{name}" not in parked.headers]
            if missing:
                yield f"parking does not say its {', '.join(missing)}", where


def _parked_for_cause(facts: Facts) -> Findings:
    allowed: dict[bytes, set[str]] = {}
    for sent in facts.evidence.publications:
        reasons = allowed.setdefault(sent.body, set())
        reasons |= sent.must_park | sent.may_park
        if sent.kind == "cart" and len(facts.contents.get(sent.key, ())) > 1:
            reasons.add("id_conflict")
    for parked in facts.evidence.parked:
        reasons = allowed.get(parked.body)
        where = f"{parked.message_id or parked.correlation_id}: {parked.headers.get('x-parked-detail', '')}"
        if reasons is None:
            yield f"a message nobody sent, or not as it was sent, is parked for {parked.reason}", where
        elif parked.reason not in reasons:
            yield f"parked for {parked.reason}, expected {' or '.join(sorted(reasons)) or 'nothing'}", where


def _parked_counted(facts: Facts) -> Findings:
    counted = facts.evidence.parked_counted
    if counted is None:
        return
    seen = collections.Counter(parked.reason for parked in facts.evidence.parked)
    for sent in facts.evidence.publications:
        if sent.replayed and sent.must_park:
            seen[next(iter(sent.must_park))] += 1
    for reason in seen.keys() | counted.keys():
        if seen[reason] != counted.get(reason, 0):
            yield (f"{seen[reason]} messages were parked for {reason}, the workers counted "
                   f"{counted.get(reason, 0):g}", "cartwright_parked_total")


RULES = (_parked_whole, _parked_for_cause, _parked_counted)
