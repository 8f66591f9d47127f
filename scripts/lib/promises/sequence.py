"""P5, in sequence: each stream arrives as 1, 2, 3, …; a repeat is exact.

Judged by what the sellers' consumer wrote down, and by nothing else.
"""

from __future__ import annotations

from .facts import Facts, Findings


def _streams(facts: Facts) -> Findings:
    newest: dict[tuple[str, str], int] = {}
    digests: dict[tuple[str, str, int], str] = {}
    queues: dict[tuple[str, str], set[str]] = {}
    for one in facts.evidence.arrivals:
        stream, numbered = (one.seller_id, one.stream), (one.seller_id, one.stream, one.number)
        queues.setdefault(stream, set()).add(one.queue)
        where = f"{one.seller_id}/{one.stream}/{one.number}, queue {one.queue}"
        if one.message_id != f"{one.seller_id}/{one.stream}/{one.number}":
            yield f"its id is {one.message_id}", where
        if numbered in digests:
            if digests[numbered] != one.digest:
                yield "it was repeated with other bytes", where
            continue
        digests[numbered] = one.digest
        if one.number != newest.get(stream, 0) + 1:
            yield f"it arrived for the first time after number {newest.get(stream, 0)}", where
        newest[stream] = max(newest.get(stream, 0), one.number)
    for stream, names in queues.items():
        if len(names) > 1:
            yield f"one stream came through {len(names)} queues: {', '.join(sorted(names))}", "/".join(stream)


def _cancellation_after_order(facts: Facts) -> Findings:
    ordered = set()
    for one in facts.evidence.arrivals:
        key = (one.seller_id, one.stream, one.order_id)
        if one.kind == "order":
            ordered.add(key)
        elif key not in ordered:
            yield ("the seller hears of a cancellation before its order",
                   f"order {one.order_id}, {one.seller_id}/{one.stream}/{one.number}")


RULES = (_streams, _cancellation_after_order)
