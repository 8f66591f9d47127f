"""A small run in which every promise holds, made by a fleet of a few lines that works on rows in memory.

    run = HonestRun()
    run.receive("s1", "A", "main", 5)
    run.cart("o1", [("1", "s1", "A", 2)])
    run.evidence                     # what the checker gets; plant something in it
"""

from __future__ import annotations

import hashlib
import json

from lib.evidence import (Arrival, Evidence, Expectation, Held, LedgerRow, OrderRow, Parked, Position,
                          Publication, Reply, Reservation, StoredMessage, digest_of_data)
from lib.messages import cart_submitted, order_cancellation, stock_moved

WHEN = "2026-01-01T00:00:00.000Z"
REPLIES = "demo.replies"


class HonestRun:
    """Each method publishes something and does at once what an honest fleet does about it."""

    def __init__(self):
        self.evidence = Evidence(parked_counted={}, queues_left={"reserver.carts": 0})
        self.bodies: dict[tuple[str, str, int], str] = {}
        self._positions: dict[tuple[str, str, str], list[int]] = {}
        self._published = 0

    def sells(self, seller_id: str, sku: str) -> None:
        self.evidence.offers[seller_id, sku] = True

    def receive(self, seller_id: str, sku: str, warehouse: str, units: int, kind: str = "receipt") -> None:
        self.sells(seller_id, sku)
        event_id = f"{kind}-{self._published}"
        movement = {"kind": kind, "seller_id": seller_id, "sku": sku, "warehouse": warehouse,
                    "quantity": units, "occurred_at": WHEN}
        sent = self.publish(stock_moved(event_id, [movement]), "movements", event_id,
                            {"movements": [movement]})
        physical = self._positions.get((seller_id, sku, warehouse), [0, 0, 0, 0])
        self._move((seller_id, sku, warehouse), kind, units if kind != "count" else units - physical[0], 0,
                   event_id)
        self.reply(sent, "cartwright.stock.applied.v1", event_id, {"event_id": event_id, "results": []})

    def publish(self, message, kind: str, key: str, data: dict | None, **more) -> Publication:
        self._published += 1
        sent = Publication(f"p{self._published}", kind, key, message.message_id, message.type,
                           message.content_type, REPLIES, message.body, data=data, **more)
        self.evidence.publications.append(sent)
        return sent

    def reply(self, sent: Publication, type_: str, key: str, data: dict) -> None:
        self.evidence.replies.append(Reply(sent.correlation_id, type_, key, digest_of_data(data), data))

    def cart(self, order_id: str, lines: list[tuple[str, str, str, int]], policy: str = "all_or_nothing",
             paid: bool = True, times: int = 1, expect: Expectation | None = None) -> None:
        """Lines are (line id, seller, SKU, quantity)."""
        data = {"order_id": order_id, "channel": "web", "currency": "BRL", "paid": paid, "policy": policy,
                "lines": [{"line_id": line_id, "seller_id": seller_id, "sku": sku, "quantity": quantity}
                          for line_id, seller_id, sku, quantity in lines]}
        state, answer = self._decide(order_id, data)
        self.evidence.orders.append(OrderRow(order_id, state, answer))
        if expect:
            self.evidence.expectations[order_id] = expect
        for _ in range(times):
            sent = self.publish(cart_submitted(data), "cart", order_id, data)
            self.reply(sent, f"cartwright.order.{state}.v1", order_id, answer)
        if state == "ready":
            self._tell(order_id)

    def cancel(self, order_id: str, lines: dict[str, int] | None = None) -> None:
        """The whole order, or units by line id."""
        event_id = f"cancel-{order_id}-{self._published}"
        wanted = [{"line_id": line_id, "quantity": units} for line_id, units in (lines or {}).items()]
        data = {"order_id": order_id, "reason": "no longer wanted"} | ({"lines": wanted} if lines else {})
        sent = self.publish(order_cancellation(event_id, order_id, "no longer wanted", wanted or None),
                            "cancellation", order_id, data)
        released: dict[str, list] = {}
        for index, row in enumerate(self.evidence.reservations):
            if row.order_id != order_id or (lines and row.line_id not in lines):
                continue
            units = min(row.open, lines[row.line_id]) if lines else row.open
            if not units:
                continue
            self.evidence.reservations[index] = row._replace(open=row.open - units,
                                                             released=row.released + units)
            self._move((row.seller_id, row.sku, row.warehouse), "release", 0, -units, event_id, order_id)
            released.setdefault(row.seller_id, []).append((row.line_id, row.sku, units, ()))
        at = next(index for index, row in enumerate(self.evidence.orders) if row.order_id == order_id)
        if not lines:
            self.evidence.orders[at] = OrderRow(order_id, "cancelled", {"order_id": order_id, "whole": True})
        for seller_id in sorted(released):
            if any(one.order_id == order_id for one in self.evidence.arrivals):
                self._send(seller_id, "cancellation", order_id, 0, 0, not lines, tuple(released[seller_id]))
        row = self.evidence.orders[at]
        self.reply(sent, f"cartwright.order.{row.state}.v1", order_id, row.answer)

    def dispatch(self, order_id: str, line_id: str, units: int, kind: str = "dispatch") -> None:
        """Or kind return."""
        index, row = next((index, row) for index, row in enumerate(self.evidence.reservations)
                          if (row.order_id, row.line_id) == (order_id, line_id))
        event_id = f"{kind}-{order_id}-{line_id}"
        movement = {"kind": kind, "seller_id": row.seller_id, "order_id": order_id, "line_id": line_id,
                    "quantity": units, "occurred_at": WHEN}
        sent = self.publish(stock_moved(event_id, [movement]), "movements", event_id,
                            {"movements": [movement]})
        position = (row.seller_id, row.sku, row.warehouse)
        if kind == "dispatch":
            row = row._replace(open=row.open - units, dispatched=row.dispatched + units)
            self._move(position, kind, -units, -units, event_id, order_id)
        else:
            row = row._replace(returned=row.returned + units)
            self._move(position, kind, units, 0, event_id, order_id)
        self.evidence.reservations[index] = row
        self.reply(sent, "cartwright.stock.applied.v1", event_id, {"event_id": event_id, "results": []})

    def park(self, body: bytes, reason: str, kind: str = "fault", key: str = "", **more) -> Publication:
        """A message that fails for good."""
        message = cart_submitted({"order_id": "x"}, f"fault-{self._published}")
        message.body = body
        must_park = frozenset() if kind == "cart" else frozenset({reason})
        sent = self.publish(message, kind, key, more.get("data"), must_park=must_park)
        headers = {f"x-parked-{name}": "…" for name in ("detail", "worker", "queue", "at", "attempts")}
        self.evidence.parked.append(Parked(body, sent.message_id, sent.type, sent.content_type, sent.reply_to,
                                           sent.correlation_id, headers | {"x-parked-reason": reason}))
        counted = self.evidence.parked_counted
        counted[reason] = counted.get(reason, 0) + 1
        self.reply(sent, "cartwright.message.parked.v1", "", {"reason": reason, "detail": "…"})
        return sent

    def oversell(self, order_id: str, seller_id: str, sku: str, units: int) -> None:
        """A cart that gets units which are not there, in every table consistently."""
        self._positions[seller_id, sku, "main"][0] += units
        self.cart(order_id, [("1", seller_id, sku, units)])
        self._positions[seller_id, sku, "main"][0] -= units
        self._write((seller_id, sku, "main"))

    def write(self, cursor) -> None:
        """All rows into PostgreSQL."""
        evidence = self.evidence

        def insert(table: str, columns: str, rows: list[tuple]) -> None:
            marks = ", ".join(["%s"] * len(columns.split(",")))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

        insert("orders", "order_id, state, content_hash, answer",
               [(row.order_id, row.state, b"1", json.dumps(row.answer)) for row in evidence.orders])
        insert("stock_position", "seller_id, sku, warehouse, on_hand, reserved, shortfall, version",
               evidence.positions)
        insert("stock_event", "seller_id, sku, warehouse, version, kind, on_hand_delta, reserved_delta, "
               "shortfall_delta, cause, order_id, source, occurred_at",
               [(*row, "test", WHEN) for row in evidence.ledger])
        insert("reservation",
               "seller_id, order_id, line_id, warehouse, sku, reserved, open, dispatched, released, "
               "returned", evidence.reservations)
        insert("held_line", "seller_id, sku, order_id, held_at", evidence.held)
        insert("seller_message", "seller_id, stream, number, order_id, kind, body",
               [(*row[:5], self.bodies[row[:3]]) for row in evidence.stored])
        insert("seller_stream", "seller_id, stream, last_assigned",
               [(*stream, number) for stream, number in evidence.streams.items()])
        insert("seller_delivery", "seller_id, stream, last_delivered",
               [(*stream, number) for stream, number in evidence.delivered.items()])

    def _decide(self, order_id: str, cart: dict) -> tuple[str, dict]:
        lines = cart["lines"]
        short = [line for line in lines if self._available(line["seller_id"], line["sku"]) < line["quantity"]]
        if short and cart["policy"] == "all_or_nothing":
            reasons = [{"line_id": line["line_id"], "sku": line["sku"], "code": "short_stock"}
                       for line in short]
            return "rejected", {"order_id": order_id, "reasons": reasons}
        sellers = [{"seller_id": line["seller_id"],
                    "lines": [{key: line[key] for key in ("line_id", "sku", "quantity")}]}
                   for line in lines]
        answer = {"order_id": order_id, "sellers": sellers}
        if short and cart["policy"] == "hold":
            self.evidence.held += [Held(line["seller_id"], line["sku"], order_id, WHEN) for line in lines]
            return "pending", answer
        for line in lines:
            got = self._take(order_id, line)
            if got < line["quantity"]:
                answer.setdefault("short", []).append({"line_id": line["line_id"], "reserved": got})
        return "ready" if cart["paid"] else "reserved", answer

    def _take(self, order_id: str, line: dict) -> int:
        left = line["quantity"]
        for position, (on_hand, reserved, *_) in sorted(self._positions.items()):
            units = min(left, on_hand - reserved)
            if position[:2] == (line["seller_id"], line["sku"]) and units > 0:
                self._move(position, "reservation", 0, units, order_id, order_id)
                self.evidence.reservations.append(Reservation(position[0], order_id, line["line_id"],
                                                              position[2], position[1], units, units, 0, 0,
                                                              0))
                left -= units
        return line["quantity"] - left

    def _tell(self, order_id: str) -> None:
        rows = [row for row in self.evidence.reservations if row.order_id == order_id]
        sellers = sorted({row.seller_id for row in rows})
        for part, seller_id in enumerate(sellers, 1):
            lines = []
            for line_id in sorted({row.line_id for row in rows if row.seller_id == seller_id}):
                taken = [row for row in rows if row.line_id == line_id]
                lines.append((line_id, taken[0].sku, sum(row.reserved for row in taken),
                              tuple((row.warehouse, row.reserved) for row in taken)))
            self._send(seller_id, "order", order_id, part, len(sellers), True, tuple(lines))

    def _send(self, seller_id: str, kind: str, order_id: str, part: int, parts: int, whole: bool,
              lines: tuple) -> None:
        number = self.evidence.streams.get((seller_id, "main"), 0) + 1
        body = json.dumps([seller_id, number, kind, order_id, part, parts, lines])
        digest = hashlib.sha256(body.encode()).hexdigest()
        self.bodies[seller_id, "main", number] = body
        self.evidence.streams[seller_id, "main"] = self.evidence.delivered[seller_id, "main"] = number
        self.evidence.stored.append(StoredMessage(seller_id, "main", number, order_id, kind, digest))
        self.evidence.arrivals.append(Arrival("sellers.00", f"{seller_id}/main/{number}", seller_id, "main",
                                              number, kind, order_id, digest, part, parts, whole, lines))

    def _available(self, seller_id: str, sku: str) -> int:
        return sum(on_hand - reserved for position, (on_hand, reserved, *_) in self._positions.items()
                   if position[:2] == (seller_id, sku))

    def _move(self, position: tuple, kind: str, physical: int, reserved: int, cause: str,
              order_id: str | None = None) -> None:
        before = self._positions.get(position, [0, 0, 0, 0])
        units = before[0] - before[2] + physical
        now = [max(units, before[1] + reserved), before[1] + reserved, 0, before[3] + 1]
        now[2] = now[0] - units
        self.evidence.ledger.append(LedgerRow(*position, now[3], kind, now[0] - before[0], reserved,
                                              now[2] - before[2], cause, order_id))
        self._positions[position] = now
        self._write(position)

    def _write(self, position: tuple) -> None:
        self.evidence.positions = [row for row in self.evidence.positions if row[:3] != position]
        self.evidence.positions.append(Position(*position, *self._positions[position]))


def ordinary_run() -> HonestRun:
    """A bit of everything."""
    run = HonestRun()
    for seller_id, sku, warehouse, units in (("s1", "A", "main", 10), ("s1", "B", "main", 2),
                                             ("s1", "B", "west", 3), ("s2", "C", "main", 5),
                                             ("s2", "D", "main", 1), ("s3", "E", "main", 9)):
        run.receive(seller_id, sku, warehouse, units)
    run.cart("one", [("1", "s1", "A", 2)])
    run.cart("two-sellers", [("1", "s1", "B", 4), ("2", "s2", "C", 1)], times=2)
    run.cart("some", [("1", "s2", "D", 3)], policy="partial")
    run.cart("none", [("1", "s2", "D", 1)], expect=Expectation(frozenset({"rejected"})))
    run.cart("waits", [("1", "s2", "D", 1)], policy="hold")
    run.cart("unpaid", [("1", "s3", "E", 1)], paid=False)
    run.cart("changed", [("1", "s3", "E", 2), ("2", "s1", "A", 2)])
    run.cancel("changed", {"1": 1})
    run.cart("gone", [("1", "s3", "E", 2)])
    run.cancel("gone")
    run.cart("sent", [("1", "s1", "A", 2)])
    run.dispatch("sent", "1", 2)
    run.dispatch("sent", "1", 1, "return")
    run.receive("s1", "A", "main", 1, "count")
    run.park(b"{not json", "malformed")
    return run
