"""P2, exactly-once effect: a message acts once however often it comes, answered alike; nothing is lost."""

from __future__ import annotations

import collections

from ..evidence import OrderRow, digest_of_data
from .facts import Facts, Findings, grouped, position_name, reasons_of, was_parked

_PARKED = "cartwright.message.parked.v1"
_BEFORE = {  # answers that a cart may have had on the way to its final state
    "ready": {"pending", "ready"}, "reserved": {"pending", "reserved"}, "pending": {"pending"},
    "rejected": {"pending", "rejected"}, "cancelled": {"pending", "reserved", "ready", "cancelled"},
}


def _outcomes(facts: Facts) -> Findings:
    for order_id, contents in facts.contents.items():
        row = facts.orders.get(order_id)
        if row is None:
            yield "a cart was published and there is no order", f"order {order_id}"
            continue
        accepted = [content for content, copies in contents.items()
                    if not all(sent.body in facts.conflicts for sent in copies)]
        if len(contents) > 1 and len(accepted) != 1:
            yield (f"{len(contents)} different carts were sent under one id, {len(accepted)} count",
                   f"order {order_id}")
        yield from _as_expected(facts, row)
    for order_id, sent in facts.cancellations.items():
        if order_id not in facts.orders:
            yield "a cancellation was published and is not remembered", f"order {order_id}"
        elif any(not (one.data or {}).get("lines") for one in sent):
            if facts.orders[order_id].state not in ("cancelled", "rejected") and not was_parked(facts, sent):
                yield f"it was cancelled and is {facts.orders[order_id].state}", f"order {order_id}"
    for row in facts.evidence.orders:
        if row.order_id not in facts.contents and row.order_id not in facts.cancellations:
            yield "there is an order that nobody sent", f"order {row.order_id}"


def _as_expected(facts: Facts, row: OrderRow) -> Findings:
    expectation = facts.evidence.expectations.get(row.order_id, facts.evidence.expected_of_others)
    where = f"order {row.order_id}" + (f", {expectation.label}" if expectation.label else "")
    yield from _possible(facts, row, where)
    if expectation.states and row.state not in expectation.states:
        expected = " or ".join(sorted(expectation.states))
        yield f"it is {row.state}, expected {expected}: {reasons_of(row.answer)}", where
    elif row.state == "rejected":
        reasons = {(reason.get("line_id", ""), reason["code"]) for reason in row.answer["reasons"]}
        if expectation.reasons is not None and reasons != expectation.reasons:
            yield f"rejected for {sorted(reasons)}, expected {sorted(expectation.reasons)}", where
        elif expectation.reasons is None and not {code for _, code in reasons} <= expectation.codes:
            yield f"rejected for {reasons_of(row.answer)}, which nothing in it explains", where


def _possible(facts: Facts, row: OrderRow, where: str) -> Findings:
    cart = facts.carts.get(row.order_id)
    if cart is None:
        return
    paid, policy = cart.get("paid", False), cart.get("policy", "all_or_nothing")
    if (row.state == "ready" and not paid) or (row.state == "reserved" and paid):
        yield f"it is {row.state} and was {'' if paid else 'not '}paid", where
    if row.state == "pending" and policy != "hold":
        yield f"it waits, of policy {policy}", where
    if row.state == "cancelled" and row.order_id not in facts.cancellations:
        yield "it is cancelled and nobody cancelled it", where


def _answers(facts: Facts) -> Findings:
    """Whoever asked was told, and by the right kind of answer."""
    for sent in facts.evidence.publications:
        if not sent.reply_to:
            continue
        replies = facts.replies.get(sent.correlation_id, [])
        if sent.replayed and not sent.must_park:
            replies = [reply for reply in replies if reply.type != _PARKED]
        where = f"{sent.kind} {sent.key or sent.message_id}, correlation {sent.correlation_id}"
        if not replies:
            yield "no answer came", where
            continue
        is_parked = any(reply.type == _PARKED for reply in replies)
        if is_parked != (sent.body in facts.parked_bodies) and not sent.replayed:
            yield ("it was answered as parked and is not in parking" if is_parked else
                   "it is in parking and was not answered so"), where
        if is_parked or sent.must_park:
            continue
        if sent.kind == "movements":
            if any(reply.key != sent.key or reply.type != "cartwright.stock.applied.v1" for reply in replies):
                yield f"answered by {replies[0].type} for {replies[0].key}", where
        elif any(reply.key != sent.key or not reply.type.startswith("cartwright.order.")
                 for reply in replies):
            yield f"answered by {replies[0].type} for {replies[0].key}", where


def _same_answers(facts: Facts) -> Findings:
    digests: dict[str, dict[str, set[str]]] = {}
    for reply in facts.evidence.replies:
        if reply.type.startswith("cartwright.order."):
            state = reply.type.split(".")[2]
            digests.setdefault(reply.key, {}).setdefault(state, set()).add(reply.digest)
    for order_id, answers in digests.items():
        row = facts.orders.get(order_id)
        if row is None:
            yield "it was answered and there is no such order", f"order {order_id}"
            continue
        for state, seen in answers.items():
            if len(seen) > 1:
                yield f"{len(seen)} different answers of state {state}", f"order {order_id}"
            if state not in _BEFORE[row.state]:
                yield f"answered as {state}, but it is {row.state}", f"order {order_id}"
        if row.state in answers and digest_of_data(row.answer) not in answers[row.state]:
            yield f"the answer of state {row.state} is not the one that is stored", f"order {order_id}"


def _effects_of_carts(facts: Facts) -> Findings:
    reserved: collections.Counter = collections.Counter()
    for row in facts.evidence.ledger:
        if row.kind == "reservation":
            reserved[row.order_id, row[:3]] += 1
            if row.order_id not in facts.contents:
                yield "units were reserved for an order that nobody sent", f"order {row.order_id}"
    for (order_id, position), times in reserved.items():
        if times > 1:
            yield f"reserved {times} times", f"order {order_id}, {position_name(position)}"
    units: collections.Counter = collections.Counter()
    for row in facts.evidence.reservations:
        units[row.order_id, (row.seller_id, row.sku, row.warehouse)] += row.reserved
    taken: collections.Counter = collections.Counter()
    for row in facts.evidence.ledger:
        if row.kind == "reservation":
            taken[row.order_id, row[:3]] += row.reserved
    for key in units.keys() | taken.keys():
        if units[key] != taken[key]:
            yield (f"the ledger took {taken[key]} units, the reservations are {units[key]}",
                   f"order {key[0]}, {position_name(key[1])}")


def _effects_of_movements(facts: Facts) -> Findings:
    """A ledger row for each movement, not two; and none that nobody sent."""
    for event_id, sent in facts.movements.items():
        expected: collections.Counter = collections.Counter()
        for movement in (sent.data or {}).get("movements", ()):
            if movement["kind"] in ("receipt", "count", "adjustment"):
                expected[movement["kind"], movement["seller_id"], movement["sku"], movement["warehouse"]] += 1
        rows = facts.by_cause.get(event_id, [])
        seen = collections.Counter((row.kind, *row[:3]) for row in rows
                                   if row.kind in ("receipt", "count", "adjustment"))
        for key in expected.keys() | seen.keys():
            least = 0 if sent.must_park or sent.may_park else expected[key]
            if not least <= seen[key] <= expected[key]:
                yield (f"{key[0]} was sent {expected[key]} times and acted {seen[key]} times",
                       f"movements {event_id}, {position_name(key[1:])}")
    known = facts.movements.keys() | {sent.message_id for sent in facts.evidence.publications}
    for row in facts.evidence.ledger:
        if row.kind != "reservation" and row.cause not in known:
            yield f"a {row.kind} that nobody sent: {row.cause}", position_name(row)


def _dispatched_and_returned(facts: Facts) -> Findings:
    sent_units: collections.Counter = collections.Counter()
    unsure = set()
    for sent in facts.movements.values():
        for movement in (sent.data or {}).get("movements", ()):
            if movement["kind"] in ("dispatch", "return"):
                line = (movement["seller_id"], movement.get("order_id"), movement.get("line_id"))
                sent_units[movement["kind"], *line] += movement["quantity"]
                if sent.must_park or sent.may_park:
                    unsure.add(line)
    totals: dict[tuple, list[int]] = {}
    for row in facts.evidence.reservations:
        total = totals.setdefault((row.seller_id, row.order_id, row.line_id), [0, 0, 0])
        for index, units in enumerate((row.reserved, row.dispatched, row.returned)):
            total[index] += units
    for line, (reserved, dispatched, returned) in totals.items():
        where = f"order {line[1]}, line {line[2]}"
        told = min(sent_units["dispatch", *line], reserved)
        exact = line not in unsure and line[1] not in facts.cancellations
        if dispatched > told or (exact and dispatched != told):
            yield f"{told} units were dispatched, {dispatched} are booked", where
        told = sent_units["return", *line]
        if returned > told or (exact and returned != min(told, dispatched)):
            yield f"{told} units were returned, {returned} are booked", where


def _effects_of_cancellations(facts: Facts) -> Findings:
    for (order_id, seller_id), arrivals in grouped(
            [arrival for arrival in facts.arrivals if arrival.kind == "cancellation"],
            lambda arrival: (arrival.order_id, arrival.seller_id)).items():
        whole = sum(arrival.whole for arrival in arrivals)
        asked = {sent.message_id for sent in facts.cancellations.get(order_id, ())
                 if (sent.data or {}).get("lines")}
        if whole > 1 or len(arrivals) - whole > len(asked):
            yield (f"{whole} whole and {len(arrivals) - whole} partial cancellations, asked for "
                   f"{len(asked)} partial",
                   f"order {order_id}, seller {seller_id}")


def _numbered_messages(facts: Facts) -> Findings:
    """What was numbered for a seller arrived, the very bytes; and each order was numbered once."""
    arrived = {(arrival.seller_id, arrival.stream, arrival.number): arrival for arrival in facts.arrivals}
    orders: collections.Counter = collections.Counter()
    for row in facts.evidence.stored:
        arrival = arrived.pop((row.seller_id, row.stream, row.number), None)
        where = f"{row.seller_id}/{row.stream}/{row.number}"
        if arrival is None:
            yield f"message of order {row.order_id} was numbered and did not arrive", where
        elif arrival.digest != row.digest:
            yield "what arrived is not what was stored", where
        if row.kind.endswith("order"):
            orders[row.order_id, row.seller_id] += 1
    for key in arrived:
        yield "it arrived and was never numbered", "/".join(map(str, key))
    for (order_id, seller_id), times in orders.items():
        if times > 1:
            yield f"it was sent to its seller {times} times", f"order {order_id}, seller {seller_id}"
    last = collections.Counter((row.seller_id, row.stream) for row in facts.evidence.stored)
    for stream in facts.evidence.streams.keys() | last.keys():
        given, delivered = facts.evidence.streams.get(stream, 0), facts.evidence.delivered.get(stream, 0)
        if not given == last[stream] == delivered:
            yield (f"{given} numbers were given, {last[stream]} messages stored, {delivered} delivered",
                   "/".join(stream))


def _races(facts: Facts) -> Findings:
    for race in facts.evidence.races:
        states = [facts.orders[order_id].state for order_id in race.order_ids if order_id in facts.orders]
        won = sum(state in ("ready", "reserved", "cancelled") for state in states)
        if won != race.winners:
            yield f"{won} of {len(race.order_ids)} carts got units, {race.winners} can", race.label


def _nobody_forgotten(facts: Facts) -> Findings:
    """No held cart waits while everything it asks for is there and no older one waits for any of it."""
    available: collections.Counter = collections.Counter()
    for row in facts.evidence.positions:
        available[row.seller_id, row.sku] += row.on_hand - row.reserved
    waiting = grouped(facts.evidence.held, lambda held: held.order_id)
    oldest: dict[tuple[str, str], str] = {}
    for held in sorted(facts.evidence.held, key=lambda held: (held.held_at, held.order_id)):
        oldest.setdefault((held.seller_id, held.sku), held.order_id)
    for order_id, row in facts.orders.items():
        if row.state != "pending":
            if order_id in waiting:
                yield f"it is {row.state} and still waits for stock", f"order {order_id}"
            continue
        wanted: collections.Counter = collections.Counter()
        for part in row.answer["sellers"]:
            for line in part["lines"]:
                wanted[part["seller_id"], line["sku"]] += line["quantity"]
        if {(held.seller_id, held.sku) for held in waiting.get(order_id, ())} != wanted.keys():
            yield "it is pending and is not written down as waiting for each of its SKUs", f"order {order_id}"
        if all(available[offer] >= units and facts.evidence.offers.get(offer, False)
               and oldest.get(offer) == order_id
               for offer, units in wanted.items()):
            yield "it waits although everything it asks for is there", f"order {order_id}"


def _nothing_left_behind(facts: Facts) -> Findings:
    for queue, left in facts.evidence.queues_left.items():
        if left:
            yield f"{left} messages are left", f"queue {queue}"


RULES = (_outcomes, _answers, _same_answers, _effects_of_carts, _effects_of_movements,
         _dispatched_and_returned, _effects_of_cancellations, _numbered_messages, _races, _nobody_forgotten,
         _nothing_left_behind)
