"""The flow of carts, with everything that goes on in a marketplace meanwhile.

While carts are published, sellers receive, count and adjust stock, change prices, are suspended and come
back; some carts are repeated in other bytes, some are cancelled, before they are there or after, in part or
twice. All of it follows from the seed; when which of two things that race is handled first does not, and
need not.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
from typing import Callable, Iterator

from ..evidence import Expectation
from ..messages import catalogue_changed, now
from ..sellers import ships
from ..world import Offer, World
from .stage import STAGED, Stage

SHIP_PERCENT = 6
_VOLATILE_OFFERS = 0.05
_SHORT = frozenset({"short_stock"})


@dataclasses.dataclass(frozen=True)
class Habits:
    """How often things happen, per cart."""

    repeated: float = 0.03
    cancelled: float = 0.03
    cancelled_first: float = 0.15       # of those, sent before the cart: which is handled first is open
    cancelled_twice: float = 0.10       # of those
    cancelled_in_part: float = 0.01
    movements: float = 0.02
    movements_repeated: float = 0.10    # of those
    counts_and_losses: bool = True      # counts and adjustments, which may take stock away
    price_changes: float = 0.01
    suspended: int = 3                  # sellers that are away for a fifth of the time


class Flow:
    """`step` publishes a few carts and whatever happens with them; `done` when all are out."""

    def __init__(self, stage: Stage, world: World, carts: Iterator[dict], count: int, seed: int, catalogue,
                 habits: Habits = Habits(), hot: list[Offer] | None = None):
        self._stage, self._world, self._catalogue, self._habits = stage, world, catalogue, habits
        self._rng = random.Random(f"{seed}/flow")
        self._carts = enumerate(carts)
        self.count, self.published = count, 0
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        offers = [offer for offer in world.offers.values() if offer.category != STAGED]
        self._offers = offers
        self._hot = (hot or offers)[:200]
        self._volatile = {(offer.seller_id, offer.sku)
                          for offer in self._rng.sample(offers, int(len(offers) * _VOLATILE_OFFERS))}
        self._plan_absences()

    @property
    def done(self) -> bool:
        return self.published >= self.count and not self._later

    def step(self, carts: int) -> None:
        """Publishes up to so many carts, with what is due until then."""
        for number, cart in itertools.islice(self._carts, carts):
            self._due(number)
            self._publish(number, cart)
            self.published += 1
        if self.published >= self.count:
            self._due(None)

    def at(self, share: float, action: Callable[[], None]) -> None:
        """Something to do when this share of the carts is out."""
        self._put_off(int(self.count * share), action)

    def _put_off(self, number: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (number, next(self._sequence), action))

    def _due(self, number: int | None) -> None:
        while self._later and (number is None or self._later[0][0] <= number):
            heapq.heappop(self._later)[2]()

    def _soon(self, number: int) -> int:
        """A cart's number a little or quite some time from now."""
        return number + self._rng.choice((1, 100, 3000, 8000))

    def _publish(self, number: int, cart: dict) -> None:
        rng, habits, stage = self._rng, self._habits, self._stage
        cancelled = rng.random() < habits.cancelled and not ships(cart["order_id"], SHIP_PERCENT)
        first = cancelled and rng.random() < habits.cancelled_first
        if first:
            stage.cancel(cart["order_id"], in_scene=False)
            stage.exercised["cancellations sent before their cart"] += 1
        sent = stage.cart(cart, self._expectation(cart), in_scene=False)
        if rng.random() < habits.repeated:
            self._put_off(self._soon(number) if rng.random() < 0.7 else number, lambda: stage.repeat(sent))
        if cancelled and not first:
            self._put_off(self._soon(number), lambda: self._cancel(cart))
        elif not cancelled and rng.random() < habits.cancelled_in_part:
            self._cancel_in_part(number, cart)
        if rng.random() < habits.movements:
            self._move(number)
        if rng.random() < habits.price_changes:
            self._change_price()

    def _expectation(self, cart: dict) -> Expectation | None:
        """What the changes of the catalogue meanwhile may do to a cart; None when it is nothing."""
        codes = set()
        for line in cart["lines"]:
            if not self._absent_skus.isdisjoint((line["sku"],)):
                codes.add("seller_suspended")
            if not cart["paid"] and "seller_id" in line and (line["seller_id"],
                                                             line["sku"]) in self._volatile:
                codes.add("price_changed")
        return Expectation(codes=_SHORT | codes) if codes else None

    def _cancel(self, cart: dict) -> None:
        stage = self._stage
        sent = stage.cancel(cart["order_id"], in_scene=False)
        stage.exercised["cancellations sent after their cart"] += 1
        if self._rng.random() < self._habits.cancelled_twice:
            stage.cancel(cart["order_id"], reason="the channel says so too", in_scene=False)
            stage.exercised["orders cancelled under two ids"] += 1
        if self._rng.random() < self._habits.cancelled_twice:
            stage.repeat(sent)

    def _cancel_in_part(self, number: int, cart: dict) -> None:
        """One unit of a line that has several, of a cart that is placed as a whole or not at all."""
        several = [line["line_id"] for line in cart["lines"] if line["quantity"] > 1]
        if several and cart["paid"] and "policy" not in cart and not ships(cart["order_id"], SHIP_PERCENT):
            line_id = self._rng.choice(several)
            self._put_off(self._soon(number), lambda: self._stage.cancel(cart["order_id"], {line_id: 1},
                                                                         in_scene=False))
            self._stage.exercised["orders cancelled in part"] += 1

    def _move(self, number: int) -> None:
        """A few movements in one message: mostly of what sells, so that it comes back into stock."""
        rng, movements, may_park = self._rng, [], frozenset()
        kinds = ("receipt", "count", "adjustment") if self._habits.counts_and_losses else ("receipt",)
        for _ in range(rng.randint(1, 5)):
            kind = rng.choices(kinds, (90, 5, 5)[:len(kinds)])[0]
            offer = rng.choice(self._hot if kind == "receipt" else self._offers)
            warehouse = rng.choice(self._world.sellers[offer.seller_id].warehouses)
            movement = {"kind": kind, "seller_id": offer.seller_id, "sku": offer.sku, "warehouse": warehouse,
                        "quantity": rng.randint(1, 8), "occurred_at": now()}
            if kind == "adjustment":
                movement |= {"quantity": rng.choice((-1, 1)), "reason": "found" if rng.random() < 0.5
                             else "broken"}
                may_park = frozenset({"movement_rejected"})
            movements.append(movement)
        sent = self._stage.move(movements, may_park=may_park, in_scene=False)
        if rng.random() < self._habits.movements_repeated:
            self._put_off(self._soon(number), lambda: self._stage.repeat(sent))

    def _change_price(self) -> None:
        offer = self._world.offers[self._rng.choice(sorted(self._volatile))]
        self.set_price(offer, max(1, offer.price_minor + self._rng.choice((-50, -10, 10, 50))))

    def set_price(self, offer: Offer, price_minor: int) -> None:
        """As a seller does it: in the catalogue, then the word that it has changed."""
        with self._catalogue.cursor() as cursor:
            cursor.execute("UPDATE offer SET price_minor = %s, version = version + 1 WHERE seller_id = %s "
                           "AND sku = %s",
                           (price_minor, offer.seller_id, offer.sku))
        offer.price_minor = price_minor
        self._changed(skus=[offer.sku])
        self._stage.exercised["prices changed"] += 1

    def _plan_absences(self) -> None:
        """A few sellers of the middle ranks are suspended for a while."""
        self._absent_skus: set[str] = set()
        candidates = [offer.seller_id for offer in self._hot[30:]] if self._habits.suspended else []
        for place, seller_id in enumerate(dict.fromkeys(candidates)):
            if place >= self._habits.suspended:
                break
            self._absent_skus |= {sku for seller, sku in self._world.offers if seller == seller_id}
            self.at(0.3 + 0.1 * place, lambda seller_id=seller_id: self._set_status(seller_id, "suspended"))
            self.at(0.5 + 0.1 * place, lambda seller_id=seller_id: self._set_status(seller_id, "active"))

    def _set_status(self, seller_id: str, status: str) -> None:
        with self._catalogue.cursor() as cursor:
            cursor.execute("UPDATE seller SET status = %s WHERE seller_id = %s", (status, seller_id))
            cursor.execute("UPDATE offer SET version = version + 1 WHERE seller_id = %s", (seller_id,))
        self._changed(sellers=[seller_id])
        if status == "suspended":
            self._stage.exercised["sellers suspended for a while"] += 1

    def _changed(self, **what: list[str]) -> None:
        self._stage.announce(catalogue_changed(f"catalogue-{next(self._sequence)}", **what))
