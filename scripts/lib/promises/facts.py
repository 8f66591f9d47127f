"""The rows of a run and the ways to look them up that the promises share."""

from __future__ import annotations

import collections
import json
from typing import Iterable, Iterator

from ..evidence import Arrival, Evidence, LedgerRow, OrderRow, Publication, Reply, digest_of_cart

Findings = Iterator[tuple[str, str]]  # what is wrong, and where


class Facts:
    """The rows, and the ways to look them up that several rules share."""

    def __init__(self, evidence: Evidence):
        self.evidence = evidence
        self.orders: dict[str, OrderRow] = {row.order_id: row for row in evidence.orders}
        self.reservations = grouped(evidence.reservations, lambda row: row.order_id)
        self.ledger: dict[tuple, list[LedgerRow]] = grouped(
            sorted(evidence.ledger, key=lambda row: row[:4]), lambda row: row[:3])
        self.by_cause = grouped(evidence.ledger, lambda row: row.cause)
        self.replies: dict[str, list[Reply]] = grouped(evidence.replies, lambda reply: reply.correlation_id)
        self.parked_bodies = collections.Counter(parked.body for parked in evidence.parked)
        self.conflicts = {parked.body for parked in evidence.parked if parked.reason == "id_conflict"}
        self.arrivals = _first_arrivals(evidence.arrivals)
        self.arrivals_of_order = grouped(self._as_first_meant(), lambda arrival: arrival.order_id)
        self.cancellations = grouped(
            [sent for sent in evidence.publications if sent.kind == "cancellation" and not sent.must_park],
            lambda sent: sent.key)
        self.movements = {sent.key: sent for sent in evidence.publications
                          if sent.kind == "movements" and not sent.replayed}
        self.contents = self._contents()
        self.carts = self._carts()

    def _as_first_meant(self) -> list[Arrival]:
        """The arrivals, in the place of what was voided the message that it was."""
        from ..sellers import read_arrival
        voided = {(seller_id, stream, number): body for seller_id, stream, number, body in self.evidence.voided}
        return [one if (body := voided.get((one.seller_id, one.stream, one.number))) is None else
                read_arrival(one.queue, one.message_id, json.loads(body), body.encode()) for one in self.arrivals]

    def _contents(self) -> dict[str, dict[str, list[Publication]]]:
        """The different carts that were sent under an order id."""
        carts = grouped([sent for sent in self.evidence.publications if sent.kind == "cart"
                         and not sent.must_park],
                        lambda sent: sent.key)
        return {order_id: grouped(copies, lambda sent: digest_of_cart(sent.data)) if len(copies) > 1
                else {"": copies}
                for order_id, copies in carts.items()}

    def _carts(self) -> dict[str, dict]:
        """The cart that counts for an order id: the one that was not parked as a conflict."""
        carts = {}
        for order_id, contents in self.contents.items():
            for copies in contents.values():
                if len(contents) == 1 or not all(sent.body in self.conflicts for sent in copies):
                    carts[order_id] = copies[0].data
        return carts

    def cart_lines(self, order_id: str) -> dict[str, dict]:
        return {line["line_id"]: line for line in self.carts[order_id]["lines"]}


def was_parked(facts: Facts, sent: Iterable[Publication]) -> bool:
    return any(one.body in facts.parked_bodies for one in sent)


def _first_arrivals(arrivals: Iterable[Arrival]) -> list[Arrival]:
    first: dict[tuple, Arrival] = {}
    for one in arrivals:
        first.setdefault((one.seller_id, one.stream, one.number), one)
    return list(first.values())


def grouped(rows: Iterable, key) -> dict:
    groups: dict = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def reasons_of(answer: dict) -> str:
    return ", ".join(sorted({reason["code"] for reason in answer.get("reasons", ())})) or "no reason"


def position_name(key) -> str:
    return f"seller {key[0]}, SKU {key[1]}, warehouse {key[2]}"
