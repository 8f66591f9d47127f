"""P4, whole carts: reserved completely or by the policy; each line in one seller order, the right one."""

from __future__ import annotations

import collections

from ..evidence import Arrival, OrderRow, Reservation
from .facts import Facts, Findings, grouped

_PLACED = {"ready", "reserved"}


def _lines_of_orders(facts: Facts) -> Findings:
    for order_id, row in facts.orders.items():
        rows, where = facts.reservations.get(order_id, []), f"order {order_id}"
        if row.state in ("pending", "rejected") and rows:
            yield f"it is {row.state} and holds reservations", where
        if row.state == "cancelled" and any(one.open for one in rows):
            yield f"it is cancelled and {sum(one.open for one in rows)} units are still reserved", where
        if order_id not in facts.carts:
            if rows:
                yield "only a cancellation is known of it, and it holds reservations", where
            continue
        if row.state in _PLACED or rows:
            yield from _complete(facts, row, rows, where)
            yield from _right_seller(facts, order_id, rows, where)


def _complete(facts: Facts, row: OrderRow, rows: list[Reservation], where: str) -> Findings:
    cart, units = facts.carts[row.order_id], collections.Counter()
    for one in rows:
        units[one.line_id] += one.reserved
    shorts = {short["line_id"]: short["reserved"] for short in row.answer.get("short", ())}
    for line in cart["lines"]:
        wanted, got = line["quantity"], units.pop(line["line_id"], 0)
        if cart.get("policy", "all_or_nothing") != "partial":
            if got != wanted:
                yield f"line {line['line_id']} asks for {wanted} and has {got}", where
        elif got > wanted or (row.state in _PLACED and got != shorts.get(line["line_id"], wanted)):
            yield (f"line {line['line_id']} asks for {wanted} and has {got}, its buyer was told "
                   f"{shorts.get(line['line_id'], wanted)}"), where
    for line_id in units:
        yield f"units are reserved for line {line_id}, which it does not have", where
    if not rows:
        yield f"it is {row.state} and nothing is reserved", where


def _right_seller(facts: Facts, order_id: str, rows: list[Reservation], where: str) -> Findings:
    lines = facts.cart_lines(order_id)
    for line_id, of_line in grouped(rows, lambda one: one.line_id).items():
        line = lines.get(line_id)
        if line is None:
            continue
        offers = {(one.seller_id, one.sku) for one in of_line}
        if len(offers) > 1:
            yield f"line {line_id} is spread over {len(offers)} sellers or SKUs", where
        for seller_id, sku in offers:
            if sku != line["sku"] or line.get("seller_id", seller_id) != seller_id:
                yield f"line {line_id} is reserved at seller {seller_id}, SKU {sku}", where
            elif (seller_id, sku) not in facts.evidence.offers:
                yield f"line {line_id} is reserved at {seller_id}, who does not sell {sku}", where


def _parts_of_sellers(facts: Facts) -> Findings:
    for order_id in facts.orders.keys() | facts.arrivals_of_order.keys():
        row, where = facts.orders.get(order_id), f"order {order_id}"
        parts = [one for one in facts.arrivals_of_order.get(order_id, ()) if one.kind == "order"]
        if row is None:
            yield "sellers were told of it and there is no such order", where
        elif not parts:
            if row.state == "ready":
                yield "it is ready and no seller was told", where
        elif row.state not in ("ready", "cancelled"):
            yield f"it is {row.state} and sellers were told", where
        else:
            yield from _same_as_reserved(parts, facts.reservations.get(order_id, []), where)


def _same_as_reserved(parts: list[Arrival], rows: list[Reservation], where: str) -> Findings:
    sellers = {one.seller_id for one in rows}
    if sorted(part.part for part in parts) != list(range(1, len(sellers) + 1)) or \
            {part.parts for part in parts} != {len(sellers)}:
        yield (f"parts {sorted((part.part, part.parts) for part in parts)} for {len(sellers)} sellers", where)
    told: collections.Counter = collections.Counter()
    lines: collections.Counter = collections.Counter()
    for part in parts:
        for line_id, sku, quantity, allocations in part.lines:
            lines[line_id] += 1
            if sum(units for _, units in allocations) != quantity:
                yield f"line {line_id}: {quantity} units, but the allocations are {allocations}", where
            for warehouse, units in allocations:
                told[part.seller_id, line_id, sku, warehouse] += units
    for line_id, times in lines.items():
        if times > 1:
            yield f"line {line_id} stands in {times} seller orders", where
    reserved = collections.Counter({(one.seller_id, one.line_id, one.sku, one.warehouse): one.reserved
                                    for one in rows})
    for key in told.keys() | reserved.keys():
        if told[key] != reserved[key]:
            yield (f"line {key[1]}: {reserved[key]} of SKU {key[2]} are reserved at {key[0]}, warehouse "
                   f"{key[3]}, "
                   f"the seller was told {told[key]}", where)


def _cancelled_lines(facts: Facts) -> Findings:
    """Sellers who were told of an order are told of every unit of it that is cancelled."""
    released_by_request = {(movement.get("order_id"), movement["seller_id"], movement.get("line_id"))
                           for sent in facts.movements.values()
                           for movement in (sent.data or {}).get("movements", ())
                           if movement["kind"] == "release"}
    for order_id, arrivals in facts.arrivals_of_order.items():
        told: collections.Counter = collections.Counter()
        sellers = {one.seller_id for one in arrivals if one.kind == "order"}
        for one in arrivals:
            if one.kind == "cancellation":
                for line_id, _, quantity, _ in one.lines:
                    told[one.seller_id, line_id] += quantity
        released: collections.Counter = collections.Counter()
        for row in facts.reservations.get(order_id, ()):
            if row.seller_id in sellers:
                released[row.seller_id, row.line_id] += row.released
        for key in told.keys() | released.keys():
            if told[key] != released[key] and (order_id, *key) not in released_by_request:
                yield (f"line {key[1]}: {released[key]} units were released, seller {key[0]} was told "
                       f"{told[key]}",
                       f"order {order_id}")


RULES = (_lines_of_orders, _parts_of_sellers, _cancelled_lines)
