"""P1, no oversell: for every position 0 <= reserved <= on_hand, always; no unit is promised twice."""

from __future__ import annotations

import collections

from .facts import Facts, Findings, position_name

_ADDING = {"receipt", "count", "adjustment", "return"}


def _counters(facts: Facts) -> Findings:
    for row in facts.evidence.positions:
        if not 0 <= row.reserved <= row.on_hand:
            yield f"reserved {row.reserved} of {row.on_hand} on hand", position_name(row)
        if not 0 <= row.shortfall <= row.on_hand:
            yield f"shortfall {row.shortfall} of {row.on_hand} on hand", position_name(row)
    for position, rows in facts.ledger.items():
        on_hand = reserved = shortfall = 0
        for row in rows:
            on_hand, reserved = on_hand + row.on_hand, reserved + row.reserved
            shortfall += row.shortfall
            if not 0 <= reserved <= on_hand or not 0 <= shortfall <= on_hand:
                yield (f"at version {row.version} reserved was {reserved} and shortfall {shortfall} of "
                       f"{on_hand} "
                       f"on hand", position_name(position))
                break


def _open_reservations(facts: Facts) -> Findings:
    open_units: collections.Counter = collections.Counter()
    for row in facts.evidence.reservations:
        open_units[row.seller_id, row.sku, row.warehouse] += row.open
        accounted = row.open + row.dispatched + row.released
        if row.open < 0 or accounted != row.reserved or row.returned > row.dispatched:
            yield (f"{row.reserved} reserved are not {row.open} open + {row.dispatched} dispatched + "
                   f"{row.released} "
                   f"released (returned {row.returned})", f"order {row.order_id}, line {row.line_id}")
    reserved = {row[:3]: row.reserved for row in facts.evidence.positions}
    for position in reserved.keys() | open_units.keys():
        if reserved.get(position, 0) != open_units[position]:
            yield (f"reserved is {reserved.get(position, 0)}, its open reservations are "
                   f"{open_units[position]}",
                   position_name(position))


def _never_more_than_there_was(facts: Facts) -> Findings:
    """From outside: what sellers were told to send, against what was ever put on their shelves."""
    added: collections.Counter = collections.Counter()
    for sent in facts.movements.values():
        for movement in (sent.data or {}).get("movements", ()):
            if movement["kind"] in _ADDING and movement["quantity"] > 0:
                sku = movement.get("sku") or _sku_of_line(facts, movement)
                added[movement["seller_id"], sku] += movement["quantity"]
    told: collections.Counter = collections.Counter()
    for arrival in facts.arrivals:
        for _, sku, quantity, _ in arrival.lines:
            told[arrival.seller_id, sku] += quantity if arrival.kind == "order" else -quantity
    for (seller_id, sku), units in told.items():
        if units > added[seller_id, sku]:
            yield (f"{units} units were sold, {added[seller_id, sku]} were ever there",
                   f"seller {seller_id}, SKU {sku}")


def _sku_of_line(facts: Facts, movement: dict) -> str:
    for row in facts.reservations.get(movement.get("order_id"), ()):
        if row.line_id == movement.get("line_id") and row.seller_id == movement["seller_id"]:
            return row.sku
    return ""


RULES = (_counters, _open_reservations, _never_more_than_there_was)
