"""Real orders as a flow: prices follow the data; some SKUs are delivered late and their carts held."""

from __future__ import annotations

import random
from typing import Iterator

from ..evidence import Expectation
from ..messages import now
from ..world import World
from .flow import Flow, Habits
from .stage import Stage

LATE_SHARE = 0.005
HABITS = Habits(counts_and_losses=False, price_changes=0, suspended=0)


class OlistFlow(Flow):
    """Like Flow; no cart may be rejected, whatever else happens."""

    def __init__(self, stage: Stage, world: World, carts: Iterator[dict], count: int, seed: int, catalogue,
                 late: dict[tuple[str, str, str], int]):
        super().__init__(stage, world, carts, count, seed, catalogue, HABITS)
        self._late_pairs = {position[:2] for position in late}
        for position, units in late.items():
            self.at(self._rng.uniform(0.3, 0.95), lambda position=position,
                    units=units: self._deliver(position, units))

    def _publish(self, number: int, cart: dict) -> None:
        for line in cart["lines"]:
            offer = self._world.offers[line["seller_id"], line["sku"]]
            if offer.price_minor != line["unit_price_minor"]:
                self.set_price(offer, line["unit_price_minor"])
        if any((line["seller_id"], line["sku"]) in self._late_pairs for line in cart["lines"]):
            cart["policy"] = "hold"
        super()._publish(number, cart)

    def _expectation(self, cart: dict) -> Expectation | None:
        return None

    def _deliver(self, position: tuple[str, str, str], units: int) -> None:
        seller_id, sku, warehouse = position
        self._stage.move([{"kind": "receipt", "seller_id": seller_id, "sku": sku, "warehouse": warehouse,
                           "quantity": units, "occurred_at": now()}], in_scene=False)
        self._stage.exercised["deliveries that came late"] += 1


def withhold(world: World, seed: int) -> dict[tuple[str, str, str], int]:
    """Takes the stock of a few offers out of the world: it is delivered while the carts flow."""
    rng = random.Random(f"{seed}/late")
    pairs = sorted(world.offers)
    chosen = set(rng.sample(pairs, max(1, int(len(pairs) * LATE_SHARE))))
    late = {position: units for position, units in world.stock.items() if position[:2] in chosen}
    for position in late:
        del world.stock[position]
    return late
